// SPDX-License-Identifier: MIT
#include "formats/signature.h"

#include <string_view>
#include <system_error>

#include "formats/clusters/blocking_io.h"

namespace tapring {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  const char* format;
};

// A VHD of a fixed size has its signature only in the last sector.
constexpr Signature kSignatures[] = {
    {0, "QFI\xFB\0\0\0\1"sv, "qcow"},
    {0, "QFI\xFB"sv, "qcow2"},
    {0, "conectix"sv, "vpc"},
    {0, "KDMV"sv, "vmdk"},
    {0, "COWD"sv, "vmdk"},
    {0, "# Disk DescriptorFile"sv, "vmdk"},
    {0x40, "\x7F\x10\xDA\xBE"sv, "vdi"},
    {0, "vhdxfile"sv, "vhdx"},
    {0, "QED\0"sv, "qed"},
    {0, "\x1F\x8B"sv, "gzip"},
    {0, "\xFD\x37zXZ\0"sv, "xz"},
    {0, "\x28\xB5\x2F\xFD"sv, "zstd"},
    {4, "1AY&SY"sv, "bzip2"},
    {257, "ustar"sv, "tar"},  // an OVA is one
    {0, "LUKS\xBA\xBE"sv, "luks"},
};
constexpr std::size_t kBeginning = 512;

std::string read_sector(const OpenFile& file, uint64_t offset) {
  const AlignedBytes bytes = read_bytes(file, offset, kBeginning);
  std::string text;
  for (const std::byte byte : bytes.span()) text += static_cast<char>(byte);
  return text;
}

struct Unpacker {
  std::string_view format;
  const char* command;
};

constexpr Unpacker kUnpackers[] = {
    {"gzip", "gunzip -k "}, {"xz", "unxz -k "}, {"zstd", "unzstd "}, {"bzip2", "bunzip2 -k "}};

}  // namespace

std::string how_to_serve(std::string_view format, const std::string& path) {
  for (const Unpacker& unpacker : kUnpackers) {
    if (unpacker.format == format) return unpacker.command + path + " unpacks it";
  }
  if (format == "tar") {
    return "tar -xf " + path + " unpacks it, and qemu-img convert -O qcow2 converts its disks";
  }
  if (format == "luks") return "as a raw image to a guest that decrypts it; --format raw";
  return "qemu-img convert -f " + std::string(format) + " -O qcow2 " + path + " COPY converts it";
}

std::optional<std::string> format_by_signature(const OpenFile& file) {
  try {
    const std::string beginning = read_sector(file, 0);
    for (const Signature& signature : kSignatures) {
      const std::string_view bytes = signature.bytes;
      if (std::string_view(beginning).substr(signature.offset, bytes.size()) == bytes) {
        return signature.format;
      }
    }
    if (file.size_bytes < kBeginning || file.size_bytes % kBeginning != 0) return std::nullopt;
    const std::string end = read_sector(file, file.size_bytes - kBeginning);
    if (end.starts_with("conectix")) return "vpc";
  } catch (const std::system_error&) {
    // Whoever reads the disk will be told.
  }
  return std::nullopt;
}

}  // namespace tapring
