// SPDX-License-Identifier: MIT
#include "formats/qcow2/bytes/bitmap_directory.h"

#include <algorithm>
#include <cstring>

#include "formats/qcow2/bytes/big_endian.h"

namespace tapring::qcow2 {

std::expected<std::vector<Bitmap>, std::string> parse_bitmaps(std::span<const std::byte> directory,
                                                              const BitmapsExtension& extension) {
  constexpr std::size_t kFixedBytes = 24;
  std::vector<Bitmap> bitmaps;
  for (uint32_t number = 1; number <= extension.bitmaps; ++number) {
    const auto refused = [number](const char* reason) {
      return std::unexpected("bitmap " + std::to_string(number) + " of its directory " + reason);
    };
    if (directory.size() < kFixedBytes) return refused("is cut off");
    Bitmap bitmap;
    bitmap.table_offset = load<uint64_t>(directory, 0);
    bitmap.table_entries = load<uint32_t>(directory, 8);
    bitmap.flags = load<uint32_t>(directory, 12);
    bitmap.granularity_bits = load<uint8_t>(directory, 17);
    const std::size_t name_bytes = load<uint16_t>(directory, 18);
    const std::size_t extra_bytes = load<uint32_t>(directory, 20);
    const std::size_t length = kFixedBytes + extra_bytes + name_bytes;
    if (length > directory.size()) return refused("is cut off");
    if (bitmap.table_entries > kMaxBitmapTableEntries) return refused("has too large a table");
    if (bitmap.granularity_bits > 31) return refused("has no valid granularity");
    bitmap.name.resize(name_bytes);
    if (name_bytes > 0) {
      std::memcpy(bitmap.name.data(), directory.data() + kFixedBytes + extra_bytes, name_bytes);
    }
    bitmaps.push_back(std::move(bitmap));
    directory = directory.subspan(std::min((length + 7) / 8 * 8, directory.size()));
  }
  return bitmaps;
}

}  // namespace tapring::qcow2
