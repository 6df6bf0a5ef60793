// SPDX-License-Identifier: MIT
#include "daemon/host/block_device.h"

#include <sys/sysmacros.h>

#include <charconv>
#include <fstream>
#include <system_error>

#include "ring/sizes.h"

namespace tapring {
namespace {

constexpr unsigned kLoopMajor = 7;

std::optional<dev_t> parse_number(const std::string& text) {
  constexpr int kHexadecimal = 16;
  unsigned numbers[2] = {};
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, numbers[0], kHexadecimal);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, numbers[1], kHexadecimal);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return makedev(numbers[0], numbers[1]);
}

template <typename Number>
Number read_number(const std::filesystem::path& attribute) {
  Number number = 0;
  std::ifstream(attribute) >> number;
  return number;
}

/// A loop device without a file has no such directory.
BlockDevice::Loop read_loop(const std::filesystem::path& attributes) {
  BlockDevice::Loop loop;
  std::getline(std::ifstream(attributes / "backing_file"), loop.file);
  loop.offset = read_number<uint64_t>(attributes / "offset");
  loop.size_limit = read_number<uint64_t>(attributes / "sizelimit");
  return loop;
}

}  // namespace

std::optional<BlockDevice> read_block_device(const std::filesystem::path& sysfs,
                                             const std::string& number) {
  const auto device = parse_number(number);
  if (!device) return std::nullopt;
  const auto directory =
      sysfs / "dev/block" / (std::to_string(major(*device)) + ':' + std::to_string(minor(*device)));
  std::error_code error;
  const auto target = std::filesystem::canonical(directory, error);
  if (error) return std::nullopt;
  BlockDevice found;
  found.path = "/dev/" + target.filename().string();
  found.id = {*device, 0};
  found.size_bytes = read_number<uint64_t>(target / "size") * kSectorBytes;
  if (major(*device) == kLoopMajor) found.loop = read_loop(target / "loop");
  return found;
}

}  // namespace tapring
