// SPDX-License-Identifier: MIT
#include "formats/qcow2/entry.h"

#include <algorithm>
#include <cassert>

#include "formats/qcow2/big_endian.h"

namespace tapring::qcow2 {
namespace {

/// Whether `more` goes on where the extent ends.
bool continues(const Extent& extent, Kind kind, uint64_t host) noexcept {
  if (extent.kind != kind) return false;
  if (kind == Kind::data) return extent.host + extent.bytes == host;
  return kind == Kind::unallocated || kind == Kind::zero;
}

// Of version 1. There all clusters are the disk's alone, and none reads as zeros.
constexpr uint64_t kCompressed1 = uint64_t{1} << 63;

/// A compressed cluster's size, in bytes, stands above its offset.
constexpr uint32_t size_shift(const Layout& layout) noexcept {
  return 62 - layout.cluster_bits;
}

Entry from_version_1(const Layout& layout, uint64_t word) noexcept {
  constexpr Entry kInvalid{EntryBits::kZero, 0};
  if (word == 0) return {};
  if ((word & kCompressed1) == 0) {
    return (word & ~EntryBits::kOffset) == 0 ? Entry{word | EntryBits::kCopied, 0} : kInvalid;
  }
  const uint64_t offset = word & ((kCompressed1 >> layout.cluster_bits) - 1);
  const uint64_t bytes = (word & ~kCompressed1) >> (size_shift(layout) + 1);
  if (offset >> size_shift(layout) != 0) return kInvalid;
  return {EntryBits::kCompressed | bytes << size_shift(layout) | offset, 0};
}

}  // namespace

std::optional<L1Entry> L1Entry::parse(const Layout& layout, uint64_t word) noexcept {
  const uint64_t table = word & EntryBits::kOffset;
  const uint64_t reserved = layout.version == 1 ? ~EntryBits::kOffset : EntryBits::kReservedL1;
  if ((word & reserved) != 0 || layout.in_cluster(table) != 0) return std::nullopt;
  if (table == 0) return L1Entry();
  // In version 1 every table is the disk's alone.
  return layout.version == 1 ? own(table) : L1Entry(word);
}

Entry load_entry(const Layout& layout, std::span<const std::byte> slice, uint64_t index) noexcept {
  const uint64_t at = index * layout.l2_entry_bytes();
  Entry entry{load<uint64_t>(slice, at), 0};
  if (layout.version == 1) return from_version_1(layout, entry.word);
  if (layout.extended_l2) entry.subclusters = load<uint64_t>(slice, at + 8);
  return entry;
}

void store_entry(const Layout& layout, std::span<std::byte> slice, uint64_t index,
                 const Entry& entry) noexcept {
  const uint64_t at = index * layout.l2_entry_bytes();
  assert(layout.version > 1 || !entry.compressed());
  store(slice, at, layout.version == 1 ? entry.host() : entry.word);
  if (layout.extended_l2) store(slice, at + 8, entry.subclusters);
}

Kind kind_of(const Layout& layout, const Entry& entry, uint32_t unit) noexcept {
  if (entry.compressed()) return layout.external_data ? Kind::invalid : Kind::compressed;
  if (layout.in_cluster(entry.host()) != 0) return Kind::invalid;
  if (!layout.extended_l2) {
    if ((entry.word & EntryBits::kZero) != 0)
      return layout.version < 3 ? Kind::invalid : Kind::zero;
    return entry.has_host(layout) ? Kind::data : Kind::unallocated;
  }
  if ((entry.word & EntryBits::kZero) != 0) return Kind::invalid;
  const bool allocated = (entry.subclusters >> unit & 1) != 0;
  const bool zero = (entry.subclusters >> (unit + Layout::kSubclusters) & 1) != 0;
  if (allocated && (zero || !entry.has_host(layout))) return Kind::invalid;
  return allocated ? Kind::data : zero ? Kind::zero : Kind::unallocated;
}

CompressedPlace compressed_place(const Layout& layout, const Entry& entry) noexcept {
  if (layout.version == 1) {
    const uint64_t offset = entry.word & ((uint64_t{1} << size_shift(layout)) - 1);
    return {offset, (entry.word & ~EntryBits::kCompressed) >> size_shift(layout)};
  }
  const uint32_t offset_bits = 62 - (layout.cluster_bits - 8);
  const uint64_t offset = entry.word & ((uint64_t{1} << offset_bits) - 1);
  const uint64_t more_sectors =
      (entry.word & ~(EntryBits::kCopied | EntryBits::kCompressed)) >> offset_bits;
  return {offset, (more_sectors + 1) * kSector - offset % kSector};
}

Extent extent_at(const Layout& layout, std::span<const std::byte> slice, uint64_t offset,
                 uint64_t bytes) noexcept {
  const uint64_t unit_bytes = layout.unit_bytes();
  const uint64_t entries = layout.l2_slice_entries();
  uint64_t index = (offset >> layout.cluster_bits) % entries;
  auto unit = static_cast<uint32_t>(layout.in_cluster(offset) / unit_bytes);
  uint64_t in_unit = offset % unit_bytes;
  Extent extent;
  Entry entry = load_entry(layout, slice, index);
  while (bytes > 0) {
    const Kind kind = kind_of(layout, entry, unit);
    const bool compressed = kind == Kind::compressed;
    const uint64_t host = compressed ? entry.word : entry.host() + unit * unit_bytes + in_unit;
    const uint64_t end = compressed ? layout.cluster_bytes() - unit * unit_bytes : unit_bytes;
    if (extent.bytes > 0 && !continues(extent, kind, host)) break;
    if (extent.bytes == 0) extent = {kind, 0, host};
    const uint64_t step = std::min(bytes, end - in_unit);
    extent.bytes += step;
    bytes -= step;
    in_unit = 0;
    if (compressed || kind == Kind::invalid) break;
    if (++unit < layout.cluster_bytes() / unit_bytes) continue;
    unit = 0;
    if (++index == entries) break;
    entry = load_entry(layout, slice, index);
  }
  return extent;
}

}  // namespace tapring::qcow2
