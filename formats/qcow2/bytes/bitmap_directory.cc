// SPDX-License-Identifier: MIT
#include "formats/qcow2/bytes/bitmap_directory.h"

#include <set>
#include <utility>

#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/text.h"

namespace tapring::qcow2 {
namespace {

constexpr std::size_t kBitmapFixedBytes = 24;
constexpr uint8_t kDirtyTracking = 1;
constexpr uint8_t kMinGranularityBits = 9;
constexpr uint8_t kMaxGranularityBits = 31;
constexpr std::size_t kMaxNameBytes = 1023;

/// Entries of the table of a bitmap of the whole disk, which is stored in words of 64 bits.
uint64_t table_entries_for(const Layout& layout, uint8_t granularity_bits) {
  const auto divide_up = [](uint64_t number, uint64_t by) { return (number + by - 1) / by; };
  const uint64_t size_bytes = layout.size_bytes / 512 * 512;
  const uint64_t bits = divide_up(size_bytes, uint64_t{1} << granularity_bits);
  return divide_up(divide_up(bits, 64) * 8, layout.cluster_bytes());
}

/// What is wrong with the table of a bitmap; nullptr if nothing is.
const char* table_fault(const Bitmap& bitmap, const Layout& layout) {
  if (bitmap.table_offset == 0 || bitmap.table_offset > INT64_MAX ||
      layout.in_cluster(bitmap.table_offset) != 0) {
    return "has no valid table";
  }
  if (bitmap.table_entries == 0) return "has an empty table";
  if (bitmap.table_entries > kMaxBitmapBytes >> layout.cluster_bits) return "has too large a table";
  const bool is_valid = (bitmap.flags & Bitmap::kInUse) == 0;
  if (is_valid && bitmap.table_entries != table_entries_for(layout, bitmap.granularity_bits)) {
    return "is not of the size of the disk";
  }
  return nullptr;
}

/// Likewise of an entry of the directory, which `bitmap` is read from.
const char* entry_fault(std::span<const std::byte> entry, const Bitmap& bitmap,
                        const Layout& layout) {
  if (load<uint8_t>(entry, 16) != kDirtyTracking) return "is of no known type";
  if ((bitmap.flags & ~Bitmap::kKnownFlags) != 0) return "has reserved flags set";
  if (load<uint16_t>(entry, 18) > kMaxNameBytes) return "has too long a name";
  if (load<uint32_t>(entry, 20) != 0) return "has extra data, which are not known";
  if (bitmap.granularity_bits < kMinGranularityBits ||
      bitmap.granularity_bits > kMaxGranularityBits) {
    return "has no valid granularity";
  }
  return table_fault(bitmap, layout);
}

}  // namespace

std::optional<std::string> bitmap_directory_fault(const Header& header) {
  const BitmapsExtension& extension = *header.bitmaps;
  if (extension.bitmaps == 0) return "the bitmaps extension has no bitmaps";
  if (extension.bitmaps > kMaxBitmaps) return "the bitmaps extension has too many bitmaps";
  if (extension.reserved != 0) return "the bitmaps extension has reserved bits set";
  if (header.layout.in_cluster(extension.directory_offset) != 0) {
    return "the bitmap directory does not begin at a cluster";
  }
  if (extension.directory_bytes == 0) return "the bitmap directory is empty";
  if (extension.directory_bytes > kMaxBitmapDirectoryBytes) {
    return "the bitmap directory is too large";
  }
  return std::nullopt;
}

std::expected<std::vector<Bitmap>, std::string> parse_bitmaps(std::span<const std::byte> directory,
                                                              const Header& header) {
  std::vector<Bitmap> bitmaps;
  std::set<std::string> names;
  for (uint32_t number = 1; number <= header.bitmaps->bitmaps; ++number) {
    const auto refused = [number](const char* reason) {
      return std::unexpected("bitmap " + std::to_string(number) + " of its directory " + reason);
    };
    if (directory.size() < kBitmapFixedBytes) return refused("is cut off");
    Bitmap bitmap;
    bitmap.table_offset = load<uint64_t>(directory, 0);
    bitmap.table_entries = load<uint32_t>(directory, 8);
    bitmap.flags = load<uint32_t>(directory, 12);
    bitmap.granularity_bits = load<uint8_t>(directory, 17);
    if (const char* fault = entry_fault(directory, bitmap, header.layout)) return refused(fault);
    const std::size_t name_bytes = load<uint16_t>(directory, 18);
    const std::size_t length = (kBitmapFixedBytes + name_bytes + 7) / 8 * 8;
    if (length > directory.size()) return refused("is cut off");
    bitmap.name = text_of(directory.subspan(kBitmapFixedBytes, name_bytes));
    // QEMU compares them as far as their first zero byte.
    const bool is_new = names.insert(bitmap.name.c_str()).second;
    if (!is_new && (bitmap.flags & Bitmap::kInUse) == 0) return refused("has the name of another");
    bitmaps.push_back(std::move(bitmap));
    directory = directory.subspan(length);
  }
  if (!directory.empty()) return std::unexpected("the bitmap directory has more than its bitmaps");
  return bitmaps;
}

}  // namespace tapring::qcow2
