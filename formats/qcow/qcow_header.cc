// SPDX-License-Identifier: MIT
#include "formats/qcow/qcow_header.h"

#include <optional>

#include "formats/qcow2/bytes/big_endian.h"

namespace tapring::qcow {
namespace {

using qcow2::load;
using Bytes = std::span<const std::byte>;
using Refusal = std::optional<std::string>;

constexpr uint32_t kMagic = 0x514649FB;     // "QFI" and 0xFB
constexpr uint32_t kXenMagic = 0x58454EFB;  // "XEN" and 0xFB
constexpr uint32_t kBigEndianL1 = 2;        // of blktap's flags
constexpr uint64_t kBlktapAlignment = 4096;

std::string refuse(const std::string& field, uint64_t value, const std::string& reason) {
  return field + " is " + std::to_string(value) + ": " + reason;
}

Refusal check_kind(Bytes bytes) {
  if (load<uint32_t>(bytes, 0) != kMagic) {
    return "is no qcow image (state its own format; tapring image info tells it)";
  }
  const auto version = load<uint32_t>(bytes, 4);
  if (version == 2 || version == 3) {
    return refuse("version", version, "that is the format qcow2");
  }
  if (version != 1) return refuse("version", version, "known is 1");
  return {};
}

Refusal check_sizes(const Header& header) {
  const qcow2::Layout& layout = header.layout;
  if (layout.cluster_bits < Header::kMinClusterBits ||
      layout.cluster_bits > Header::kMaxClusterBits) {
    return refuse("cluster_bits", layout.cluster_bits, "9 to 16 are served");
  }
  if (layout.l2_bits < Header::kMinL2Bits || layout.l2_bits > Header::kMaxL2Bits) {
    return refuse("l2_bits", layout.l2_bits, "6 to 13 are served");
  }
  if (layout.size_bytes == 0) return "is empty: its size is 0";
  if (layout.size_bytes > INT64_MAX || header.l1_entries() * 8 > Header::kMaxL1Bytes) {
    return refuse("size", layout.size_bytes, "too large");
  }
  return {};
}

/// The header, the name and the L1 table follow each other.
Refusal check_places(const Header& header) {
  if (header.l1_offset < Header::kBytes || header.l1_offset % 8 != 0 ||
      header.l1_offset > INT64_MAX) {
    return refuse("l1_table_offset", header.l1_offset, "no place for the L1 table");
  }
  if (header.backing_name_offset == 0) return {};
  if (header.backing_name_bytes > Header::kMaxBackingNameBytes) {
    return refuse("backing_file_size", header.backing_name_bytes, "names have at most 1023 bytes");
  }
  if (header.backing_name_offset < Header::kBytes ||
      header.backing_name_offset > header.l1_offset ||
      header.backing_name_bytes > header.l1_offset - header.backing_name_offset) {
    return refuse("backing_file_offset", header.backing_name_offset,
                  "the name is not between the header and the L1 table");
  }
  return {};
}

/// Whether there is one of blktap's extended headers is told as blktap told it.
bool has_extended_header(Bytes bytes, const Header& header) {
  return header.l1_offset % kBlktapAlignment == 0 &&
         (header.backing_name_offset == 0 ||
          header.backing_name_offset >= Header::kExtendedBytes) &&
         load<uint32_t>(bytes, Header::kBytes) == kXenMagic;
}

}  // namespace

std::expected<Header, std::string> parse_header(Bytes beginning) {
  if (Refusal no = check_kind(beginning)) return std::unexpected(*no);
  Header header;
  header.layout.version = 1;
  header.backing_name_offset = load<uint64_t>(beginning, 8);
  header.backing_name_bytes = load<uint32_t>(beginning, 16);
  header.layout.size_bytes = load<uint64_t>(beginning, 24);
  header.layout.cluster_bits = load<uint8_t>(beginning, 32);
  header.layout.l2_bits = load<uint8_t>(beginning, 33);
  header.crypt_method = load<uint32_t>(beginning, 36);
  header.l1_offset = load<uint64_t>(beginning, 40);
  if (header.backing_name_offset == 0) header.backing_name_bytes = 0;
  if (Refusal no = check_sizes(header)) return std::unexpected(*no);
  if (Refusal no = check_places(header)) return std::unexpected(*no);
  if (has_extended_header(beginning, header)) {
    header.little_endian_l1 = (load<uint32_t>(beginning, 60) & kBigEndianL1) == 0;
  }
  return header;
}

}  // namespace tapring::qcow
