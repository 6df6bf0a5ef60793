// SPDX-License-Identifier: MIT
#include "formats/qcow2/bytes/entry.h"

#include <algorithm>
#include <cassert>

#include "formats/qcow2/bytes/big_endian.h"
#include "ring/sizes.h"

namespace tapring::qcow2 {
namespace {

/// Whether the next unit, of this kind and at this place, goes on where the extent ends.
bool continues(const Extent& extent, ExtentKind kind, uint64_t host) noexcept {
  if (extent.kind != kind) return false;
  if (kind == ExtentKind::data) return extent.host + extent.bytes == host;
  return kind == ExtentKind::unallocated || kind == ExtentKind::zero;
}

/// In Entry's units: the first one reads as zeros. Without subclusters it is the only one.
constexpr uint64_t kFirstZero = uint64_t{1} << Layout::kSubclusters;

// In version 1 only the disk refers to a cluster, and there are no zero clusters.
constexpr uint64_t kCompressed1 = uint64_t{1} << 63;

/// Version 1: where in the word the size of a compressed cluster begins, above its offset.
constexpr uint32_t size_shift(const Layout& layout) noexcept {
  return 62 - layout.cluster_bits;
}

EntryWords from_version_1(const Layout& layout, uint64_t word) noexcept {
  constexpr EntryWords kInvalid{EntryBits::kZero, 0};
  if (word == 0) return {};
  if ((word & kCompressed1) == 0) {
    return (word & ~EntryBits::kOffset) == 0 ? EntryWords{word | EntryBits::kCopied, 0} : kInvalid;
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

EntryWords load_words(const Layout& layout, std::span<const std::byte> slice,
                      uint64_t index) noexcept {
  const uint64_t at = index * layout.l2_entry_bytes();
  EntryWords words{load<uint64_t>(slice, at), 0};
  if (layout.version == 1) return from_version_1(layout, words.word);
  if (layout.extended_l2) words.subclusters = load<uint64_t>(slice, at + 8);
  return words;
}

void store_words(const Layout& layout, std::span<std::byte> slice, uint64_t index,
                 const EntryWords& words) noexcept {
  const uint64_t at = index * layout.l2_entry_bytes();
  assert(layout.version > 1 || !words.compressed());
  store(slice, at, layout.version == 1 ? words.host() : words.word);
  if (layout.extended_l2) store(slice, at + 8, words.subclusters);
}

Entry Entry::parse(const Layout& layout, const EntryWords& words, uint64_t guest) noexcept {
  constexpr Entry kInvalid(Place::invalid, 0);
  if (words.compressed()) {
    if (layout.external_data) return kInvalid;
    return {Place::compressed, words.word & ~EntryBits::kCopied};
  }
  const bool zero = (words.word & EntryBits::kZero) != 0;
  const bool has_host = words.has_host(layout);
  if (layout.in_cluster(words.host()) != 0) return kInvalid;
  if (zero && (layout.version < 3 || layout.extended_l2)) return kInvalid;
  if (layout.external_data && has_host && words.host() != guest) return kInvalid;
  uint64_t units = zero ? kFirstZero : has_host ? 1 : 0;
  if (layout.extended_l2) {
    units = words.subclusters;
    const uint64_t allocated = units & kAllocated;
    if ((units >> Layout::kSubclusters & allocated) != 0) return kInvalid;
    if (allocated != 0 && !has_host) return kInvalid;
  }
  if (!has_host) return {Place::none, 0, units};
  const bool own = words.copied() || layout.external_data;
  return {own ? Place::own : Place::shared, words.host(), units};
}

Entry Entry::zeros(const Layout& layout) noexcept {
  return {Place::none, 0, layout.extended_l2 ? kAllocated << Layout::kSubclusters : kFirstZero};
}

ExtentKind Entry::kind(uint32_t unit) const noexcept {
  if (place_ == Place::invalid) return ExtentKind::invalid;
  if (place_ == Place::compressed) return ExtentKind::compressed;
  if ((units_ >> unit & 1) != 0) return ExtentKind::data;
  return (units_ >> (unit + Layout::kSubclusters) & 1) != 0 ? ExtentKind::zero
                                                            : ExtentKind::unallocated;
}

void Entry::set_data(uint32_t first_unit, uint32_t units) noexcept {
  assert(has_host());
  for (uint32_t unit = first_unit; unit < first_unit + units; ++unit) {
    units_ |= uint64_t{1} << unit;
    units_ &= ~(uint64_t{1} << (unit + Layout::kSubclusters));
  }
}

EntryWords Entry::words(const Layout& layout) const noexcept {
  assert(valid());
  if (compressed()) return {word_, 0};
  const uint64_t host = has_own_host() ? word_ | EntryBits::kCopied : word_;
  if (layout.extended_l2) return {host, units_};
  return {units_ == kFirstZero ? host | EntryBits::kZero : host, 0};
}

CompressedPlace compressed_place(const Layout& layout, uint64_t word) noexcept {
  if (layout.version == 1) {
    const uint64_t offset = word & ((uint64_t{1} << size_shift(layout)) - 1);
    return {offset, (word & ~EntryBits::kCompressed) >> size_shift(layout)};
  }
  const uint32_t offset_bits = 62 - (layout.cluster_bits - 8);
  const uint64_t offset = word & ((uint64_t{1} << offset_bits) - 1);
  const uint64_t more_sectors =
      (word & ~(EntryBits::kCopied | EntryBits::kCompressed)) >> offset_bits;
  return {offset, (more_sectors + 1) * kSectorBytes - offset % kSectorBytes};
}

Extent extent_at(const Layout& layout, std::span<const std::byte> slice, uint64_t offset,
                 uint64_t bytes) noexcept {
  const uint64_t unit_bytes = layout.unit_bytes();
  const uint64_t entries = layout.l2_slice_entries();
  uint64_t index = (offset >> layout.cluster_bits) % entries;
  auto unit = static_cast<uint32_t>(layout.in_cluster(offset) / unit_bytes);
  uint64_t in_unit = offset % unit_bytes;
  uint64_t cluster = layout.cluster_begin(offset);
  Extent extent;
  Entry entry = Entry::parse(layout, load_words(layout, slice, index), cluster);
  while (bytes > 0) {
    const ExtentKind kind = entry.kind(unit);
    const bool compressed = kind == ExtentKind::compressed;
    const uint64_t host =
        compressed ? entry.compressed_word() : entry.host() + unit * unit_bytes + in_unit;
    const uint64_t end = compressed ? layout.cluster_bytes() - unit * unit_bytes : unit_bytes;
    if (extent.bytes > 0 && !continues(extent, kind, host)) break;
    if (extent.bytes == 0) extent = {kind, 0, host};
    const uint64_t step = std::min(bytes, end - in_unit);
    extent.bytes += step;
    bytes -= step;
    in_unit = 0;
    if (compressed || kind == ExtentKind::invalid) break;
    if (++unit < layout.cluster_bytes() / unit_bytes) continue;
    unit = 0;
    if (++index == entries) break;
    cluster += layout.cluster_bytes();
    entry = Entry::parse(layout, load_words(layout, slice, index), cluster);
  }
  return extent;
}

}  // namespace tapring::qcow2
