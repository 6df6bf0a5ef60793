// SPDX-License-Identifier: MIT
#include "formats/clusters/cluster_map.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "formats/qcow2/bytes/big_endian.h"
#include "ring/sizes.h"

namespace tapring {

using qcow2::Entry;
using qcow2::L1Entry;
using qcow2::store;

/// Where the slice that maps `offset` is in the file; 0 if there is no L2 table.
uint64_t ClusterMap::slice_host(uint64_t offset) const noexcept {
  const L1Entry entry = l1_.entries[l1_index(offset)];
  if (!entry.has_table()) return 0;
  const uint64_t slice =
      offset % layout_.l2_covers() / (layout_.l2_slice_entries() << layout_.cluster_bits);
  return entry.table() + slice * layout_.slice_bytes();
}

Extent ClusterMap::without_table(uint64_t offset, uint64_t bytes) const noexcept {
  const uint64_t left = layout_.l2_covers() - offset % layout_.l2_covers();
  return {ExtentKind::unallocated, std::min(bytes, left), 0};
}

std::optional<Extent> ClusterMap::cached_extent(uint64_t offset, uint64_t bytes) noexcept {
  const uint64_t host = slice_host(offset);
  if (host == 0) return without_table(offset, bytes);
  const TableSlice* slice = cache_.find(host);
  if (slice == nullptr) return std::nullopt;
  return extent_at(layout_, slice->bytes.span(), offset, bytes);
}

Task<Result<Extent>> ClusterMap::extent(uint64_t offset, uint64_t bytes) {
  if (slice_host(offset) == 0) co_return without_table(offset, bytes);
  const Result<SliceRef> loaded = co_await slice(offset);
  if (!loaded) co_return std::unexpected(loaded.error());
  co_return extent_at(layout_, (*loaded)->bytes.span(), offset, bytes);
}

/// Loads again if the table was replaced while it was read.
Task<Result<SliceRef>> ClusterMap::slice(uint64_t offset) {
  for (;;) {
    const uint64_t host = slice_host(offset);
    const Result<SliceRef> loaded = co_await cache_.load(host);
    if (!loaded || host == slice_host(offset)) co_return loaded;
  }
}

void ClusterMap::set_table(uint64_t index, uint64_t host, std::span<const std::byte> content) {
  l1_.entries.prepare(index);
  dirty_l1_.insert((l1_.offset % kSectorBytes + index * 8) / kSectorBytes);
  cache_.replace(host, content);
  l1_.entries.set(index, L1Entry::own(host));
}

/// A sector of the L1 table as it is to be in the file. `sector` counts from the one in which the
/// table begins.
AlignedBytes ClusterMap::l1_sector(uint64_t sector) const {
  const uint64_t begin = l1_.offset % kSectorBytes;
  const uint64_t end = begin + l1_.entries.size() * 8;
  AlignedBytes bytes(kSectorBytes);
  if (sector == 0 && l1_.first_sector.size() > 0) {
    std::memcpy(bytes.data(), l1_.first_sector.data(), kSectorBytes);
  } else if (sector == (end - 1) / kSectorBytes && l1_.last_sector.size() > 0) {
    std::memcpy(bytes.data(), l1_.last_sector.data(), kSectorBytes);
  }
  const uint64_t first = std::max(begin, sector * kSectorBytes);
  for (uint64_t at = first; at < std::min(end, (sector + 1) * kSectorBytes); at += 8) {
    const uint64_t word = l1_.entries[(at - begin) / 8].word(layout_);
    store(bytes.span(), at % kSectorBytes, l1_.little_endian ? std::byteswap(word) : word);
  }
  return bytes;
}

void ClusterMap::set_entry(const SliceRef& slice, uint64_t offset, const Entry& entry) {
  const uint64_t index = slice_index(offset);
  if (slice->dirty_sectors == 0) dirty_.push_back({slice});
  store_words(layout_, slice->bytes.span(), index, entry.words(layout_));
  slice->generation = generation();
  slice->dirty_sectors |= 1U << index * layout_.l2_entry_bytes() / kSectorBytes;
}

void ClusterMap::collect_dirty(MetadataBatch& batch) {
  const uint64_t begin = l1_.offset / kSectorBytes * kSectorBytes;
  // Version 1 has it in the same clusters as the header.
  const auto table =
      layout_.version == 1 ? MetadataRegions::Table::header : MetadataRegions::Table::l1;
  for (const uint64_t sector : dirty_l1_) {
    batch.add(table, begin + sector * kSectorBytes, l1_sector(sector).span());
  }
  batch.collect(MetadataRegions::Table::l2, dirty_);
  // From here on nothing fails.
  writing_l1_.swap(dirty_l1_);
  ++collected_generation_;
}

void ClusterMap::restore_dirty(MetadataBatch& batch) noexcept {
  batch.restore(dirty_);
  dirty_l1_.merge(writing_l1_);
}

void ClusterMap::mark_written() noexcept {
  writing_l1_.clear();
}

}  // namespace tapring
