// SPDX-License-Identifier: MIT
// The persistent bitmaps of an image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/qcow2/bytes/header.h"

namespace tapring::qcow2 {

struct Bitmap {
  static constexpr uint32_t kInUse = 1 << 0;  ///< not stored when the image was closed: invalid
  static constexpr uint32_t kAuto = 1 << 1;   ///< it marks every write to the disk
  static constexpr uint32_t kKnownFlags = kInUse | kAuto;

  uint64_t table_offset = 0;
  uint32_t table_entries = 0;
  uint32_t flags = 0;
  uint8_t granularity_bits = 0;
  std::string name;
};

/// An entry of a bitmap's table. Without an offset its lowest bit says whether all bits are ones.
struct BitmapTableEntry {
  static constexpr uint64_t kOffset = 0x00FF'FFFF'FFFF'FE00;
  static constexpr uint64_t kReserved = ~(kOffset | 1);
};

/// What is refused here QEMU refuses too: it opens no such image.
constexpr uint32_t kMaxBitmaps = 65535;
constexpr uint64_t kMaxBitmapDirectoryBytes = uint64_t{1024} * kMaxBitmaps;
constexpr uint64_t kMaxBitmapBytes = uint64_t{512} << 20;  ///< the clusters of one

/// Why there can be no directory as the header's bitmaps extension has it, which must be there;
/// nullopt if there can be.
std::optional<std::string> bitmap_directory_fault(const Header& header);

/// `directory`: all of its bytes. The error says what is wrong with the image.
std::expected<std::vector<Bitmap>, std::string> parse_bitmaps(std::span<const std::byte> directory,
                                                              const Header& header);

}  // namespace tapring::qcow2
