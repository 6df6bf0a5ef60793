// SPDX-License-Identifier: MIT
#include "formats/qcow2/refcounts.h"

#include <algorithm>
#include <utility>

#include "formats/qcow2/entry.h"
#include "formats/qcow2/fault.h"
#include "formats/qcow2/refcount_entry.h"
#include "formats/qcow2/sector_writes.h"

namespace tapring::qcow2 {

Refcounts::Refcounts(Loop& loop, const Layout& layout, HostFile& file, TableWriter& tables,
                     HeaderSector& header, MetadataMap& metadata, Epochs& epochs, Place place)
    : layout_(layout),
      tables_(tables),
      header_(header),
      metadata_(metadata),
      place_(std::move(place)),
      cache_(loop, file, layout.slice_bytes(), kCacheBytes, epochs),
      untouched_(layout.round_up(file.end()) >> layout.cluster_bits),
      allocating_(loop),
      writing_(loop) {}

/// Where in the file the slice of the refcount block is that counts the cluster; 0 if there is no
/// block.
uint64_t Refcounts::slice_host(uint64_t cluster) const noexcept {
  const uint64_t entries = layout_.refcount_block_entries();
  const uint64_t block = place_.table[cluster / entries];
  if (block == 0) return 0;
  return block + cluster % entries / layout_.refcount_slice_entries() * layout_.slice_bytes();
}

uint64_t Refcounts::get(const Slice& slice, uint64_t cluster) const noexcept {
  return load_refcount(slice.bytes.span(), cluster % layout_.refcount_slice_entries(),
                       layout_.refcount_order);
}

void Refcounts::set(const SliceRef& slice, uint64_t cluster, uint64_t refcount) {
  const uint64_t index = cluster % layout_.refcount_slice_entries();
  store_refcount(slice->bytes.span(), index, layout_.refcount_order, refcount);
  if (slice->dirty_sectors == 0) dirty_.push_back(slice);
  const uint64_t byte = (index << layout_.refcount_order) / 8;
  slice->dirty_sectors |= 1U << byte / kSector;
}

Task<Result<Refcounts::Allocation>> Refcounts::allocate(uint64_t clusters) {
  Claim claim(allocating_, 0, 1);
  co_await claim;
  if (!free_.empty()) {
    const Result<Allocation> released = co_await take_released(clusters);
    if (!released || released->range.bytes > 0) co_return released;
  }
  next_ = std::min(next_, std::exchange(forgotten_, kNone));
  for (;;) {
    if (next_ >= clusters_counted()) {
      const Error error = co_await grow_table();
      if (error) co_return std::unexpected(error);
      continue;
    }
    const uint64_t table_index = next_ / layout_.refcount_block_entries();
    if (place_.table[table_index] == 0) {
      const Error error = co_await make_block(table_index);
      if (error) co_return std::unexpected(error);
    }
    const Result<Allocation> taken = co_await take(next_, clusters);
    if (!taken) co_return taken;
    if (taken->range.bytes > 0) {
      next_ = (taken->range.offset + taken->range.bytes) >> layout_.cluster_bits;
      co_return taken;
    }
    const uint64_t entries = layout_.refcount_slice_entries();
    next_ = (next_ / entries + 1) * entries;
  }
}

/// The first free clusters of the slice, from `first` on; none if it has none.
Task<Result<Refcounts::Allocation>> Refcounts::take(uint64_t first, uint64_t clusters) {
  const Result<SliceRef> slice = co_await cache_.load(slice_host(first));
  if (!slice) co_return std::unexpected(slice.error());
  const uint64_t entries = layout_.refcount_slice_entries();
  const uint64_t end = (first / entries + 1) * entries;
  while (first < end && get(**slice, first) != 0) ++first;
  const uint64_t most = std::min(end, first + clusters);
  uint64_t last = first;
  while (last < most && get(**slice, last) == 0) ++last;
  if (last > EntryBits::kOffset >> layout_.cluster_bits)
    co_return std::unexpected(Fault::image_full);
  Allocation allocation;
  allocation.range = {first << layout_.cluster_bits, (last - first) << layout_.cluster_bits};
  if (last == first) co_return allocation;
  if (metadata_.hits(allocation.range.offset, allocation.range.bytes)) {
    co_return std::unexpected(Fault::metadata_overlap);
  }
  for (uint64_t cluster = first; cluster < last; ++cluster) set(*slice, cluster, 1);
  allocation.fresh = first >= untouched_;
  untouched_ = std::max(untouched_, last);
  co_return allocation;
}

Task<Result<Refcounts::Allocation>> Refcounts::take_released(uint64_t clusters) {
  const auto [first, count] = *free_.begin();
  free_.erase(free_.begin());
  const Result<Allocation> taken = co_await take(first, std::min(clusters, count));
  if (!taken) {
    forgotten_ = std::min(forgotten_, first);
    co_return taken;
  }
  const uint64_t taken_end = (taken->range.offset + taken->range.bytes) >> layout_.cluster_bits;
  if (taken->range.bytes > 0 && taken_end < first + count) {
    free_.emplace(taken_end, first + count - taken_end);
  }
  co_return taken;
}

/// The slice of a cluster that must have a reference.
Task<Result<SliceRef>> Refcounts::counted_slice(uint64_t cluster) {
  if (cluster >= clusters_counted() || slice_host(cluster) == 0) {
    co_return std::unexpected(Fault::refcount);
  }
  Result<SliceRef> slice = co_await cache_.load(slice_host(cluster));
  if (slice && get(**slice, cluster) == 0) co_return std::unexpected(Fault::refcount);
  co_return slice;
}

Task<Result<std::vector<HostRange>>> Refcounts::last_references(HostRange range) {
  if (metadata_.hits(range.offset, range.bytes)) co_return std::unexpected(Fault::metadata_overlap);
  std::vector<HostRange> last;
  const uint64_t end = layout_.round_up(range.offset + range.bytes);
  for (uint64_t at = layout_.cluster_begin(range.offset); at < end; at += layout_.cluster_bytes()) {
    const Result<SliceRef> slice = co_await counted_slice(at >> layout_.cluster_bits);
    if (!slice) co_return std::unexpected(slice.error());
    if (get(**slice, at >> layout_.cluster_bits) > 1) continue;
    if (!last.empty() && last.back().offset + last.back().bytes == at) {
      last.back().bytes += layout_.cluster_bytes();
    } else {
      last.push_back({at, layout_.cluster_bytes()});
    }
  }
  co_return last;
}

Task<Error> Refcounts::release(HostRange range) {
  const uint64_t end = layout_.round_up(range.offset + range.bytes) >> layout_.cluster_bits;
  for (uint64_t cluster = range.offset >> layout_.cluster_bits; cluster < end; ++cluster) {
    const Result<SliceRef> slice = co_await counted_slice(cluster);
    if (!slice) co_return slice.error();
    const uint64_t refcount = get(**slice, cluster);
    set(*slice, cluster, refcount - 1);
    if (refcount == 1) add_free(cluster);
  }
  co_return Error{};
}

void Refcounts::add_free(uint64_t cluster) {
  if (cluster >= next_) return;
  const auto later = free_.upper_bound(cluster);
  if (later != free_.begin()) {
    const auto before = std::prev(later);
    if (before->first + before->second == cluster) {
      ++before->second;
      return;
    }
  }
  if (free_.size() < kMaxFreeRanges) {
    free_.emplace(cluster, 1);
  } else {
    forgotten_ = std::min(forgotten_, cluster);
  }
}

Task<Error> Refcounts::write_dirty() {
  Claim claim(writing_, 0, 1);
  co_await claim;
  SectorWrites writes;
  for (const SliceRef& slice : std::exchange(dirty_, {})) {
    writes.take(MetadataMap::Table::refcount_block, slice);
  }
  const Error error = co_await writes.write(tables_);
  if (!error) co_return error;
  for (const SliceRef& slice : writes.give_back()) dirty_.push_back(slice);
  co_return error;
}

}  // namespace tapring::qcow2
