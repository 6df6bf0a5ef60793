// SPDX-License-Identifier: MIT
#include "formats/clusters/refcounts.h"

#include <algorithm>
#include <utility>

#include "formats/clusters/image_errc.h"
#include "formats/clusters/metadata_batch.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/refcount_entry.h"
#include "ring/sizes.h"

namespace tapring {

using qcow2::EntryBits;
using qcow2::Layout;
using qcow2::load_refcount;
using qcow2::store_refcount;

Refcounts::Refcounts(Loop& loop, const Layout& layout, HostFile& file, TableWriter& tables,
                     HeaderSector& header, MetadataRegions& metadata, GracePeriods& grace_periods,
                     Place place)
    : layout_(layout),
      tables_(tables),
      header_(header),
      metadata_(metadata),
      place_(std::move(place)),
      cache_(loop, file, layout.slice_bytes(), kCacheBytes, grace_periods),
      first_never_written_(layout.round_up(file.end()) >> layout.cluster_bits),
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

uint64_t Refcounts::get(const TableSlice& slice, uint64_t cluster) const noexcept {
  return load_refcount(slice.bytes.span(), cluster % layout_.refcount_slice_entries(),
                       layout_.refcount_order);
}

void Refcounts::set(const SliceRef& slice, uint64_t cluster, uint64_t refcount) {
  const uint64_t index = cluster % layout_.refcount_slice_entries();
  if (slice->dirty_sectors == 0) dirty_.push_back({slice});
  store_refcount(slice->bytes.span(), index, layout_.refcount_order, refcount);
  const uint64_t byte = (index << layout_.refcount_order) / 8;
  slice->dirty_sectors |= 1U << byte / kSectorBytes;
}

/// Takes released clusters first, then free ones that it searches for. The file grows last.
Task<Result<Refcounts::Allocation>> Refcounts::allocate(uint64_t clusters, bool may_grow) {
  RangeLock::Guard guard(allocating_, 0, 1);
  co_await guard;
  if (!free_.empty()) {
    const Result<Allocation> released = co_await take_released(clusters);
    if (!released || released->range.bytes > 0) co_return released;
  }
  next_ = std::min(next_, free_.take_forgotten());
  while (may_grow || next_ < first_never_written_) {
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
  co_return Allocation{};
}

bool Refcounts::is_free(const TableSlice& slice, uint64_t cluster) const noexcept {
  return get(slice, cluster) == 0 && !free_.is_being_punched(cluster);
}

/// The first free clusters of the slice, from `first` on; none if it has none.
Task<Result<Refcounts::Allocation>> Refcounts::take(uint64_t first, uint64_t clusters) {
  const Result<SliceRef> slice = co_await cache_.load(slice_host(first));
  if (!slice) co_return std::unexpected(slice.error());
  const uint64_t entries = layout_.refcount_slice_entries();
  const uint64_t end = (first / entries + 1) * entries;
  while (first < end && !is_free(**slice, first)) ++first;
  const uint64_t most = std::min(end, first + clusters);
  uint64_t last = first;
  while (last < most && is_free(**slice, last)) ++last;
  if (last > EntryBits::kOffset >> layout_.cluster_bits)
    co_return std::unexpected(ImageErrc::image_full);
  Allocation allocation;
  allocation.range = {first << layout_.cluster_bits, (last - first) << layout_.cluster_bits};
  if (last == first) co_return allocation;
  if (metadata_.hits(allocation.range.offset, allocation.range.bytes)) {
    co_return std::unexpected(ImageErrc::metadata_overlap);
  }
  for (uint64_t cluster = first; cluster < last; ++cluster) set(*slice, cluster, 1);
  free_.remove(first, last - first);
  allocation.known_zero = first >= first_never_written_;
  first_never_written_ = std::max(first_never_written_, last);
  co_return allocation;
}

Task<Result<Refcounts::Allocation>> Refcounts::take_released(uint64_t clusters) {
  FreeClusters::Run run = free_.take(clusters);
  const Result<Allocation> taken = co_await take(run.first, run.count);
  if (!taken) {
    free_.forget(run.first);
    co_return taken;
  }
  const uint64_t end = run.first + run.count;
  const uint64_t taken_end = (taken->range.offset + taken->range.bytes) >> layout_.cluster_bits;
  if (taken->range.bytes > 0 && taken_end < end) {
    free_.add({taken_end, end - taken_end, run.punched});
  }
  co_return taken;
}

Task<Error> Refcounts::release(HostRange range) {
  const uint64_t entries = layout_.refcount_slice_entries();
  const uint64_t end = layout_.round_up(range.offset + range.bytes) >> layout_.cluster_bits;
  Error first;
  for (uint64_t at = range.offset >> layout_.cluster_bits; at < end;) {
    const uint64_t slice_end = std::min(end, (at / entries + 1) * entries);
    const Error error = co_await release_in_slice(at, slice_end);
    if (!first) first = error;
    at = slice_end;
  }
  co_return first;
}

/// Of clusters whose refcounts are in one slice.
Task<Error> Refcounts::release_in_slice(uint64_t first, uint64_t end) {
  const uint64_t bytes = (end - first) << layout_.cluster_bits;
  const bool near_metadata = metadata_.hits(first << layout_.cluster_bits, bytes);
  if (first >= clusters_counted() || slice_host(first) == 0) co_return ImageErrc::refcount;
  const Result<SliceRef> slice = co_await cache_.load(slice_host(first));
  if (!slice) co_return slice.error();
  Error fault;
  FreeClusters::Run freed;
  for (uint64_t cluster = first; cluster < end; ++cluster) {
    const uint64_t refcount = get(**slice, cluster);
    if (near_metadata && metadata_.hits(cluster << layout_.cluster_bits, 1)) {
      fault = ImageErrc::metadata_overlap;
    } else if (refcount == 0) {
      fault = ImageErrc::refcount;
    } else {
      set(*slice, cluster, refcount - 1);
      if (refcount > 1) continue;
      if (freed.first + freed.count != cluster) {
        if (freed.count > 0) free_.add(freed);
        freed = {cluster, 0};
      }
      ++freed.count;
    }
  }
  if (freed.count > 0) free_.add(freed);
  co_return fault;
}

HostRange Refcounts::take_to_punch(uint64_t most_bytes) {
  const uint64_t most = std::max<uint64_t>(most_bytes >> layout_.cluster_bits, 1);
  const FreeClusters::Run run = free_.take_to_punch(most);
  return {run.first << layout_.cluster_bits, run.count << layout_.cluster_bits};
}

void Refcounts::end_punch(HostRange range, bool punched) {
  free_.end_punch({range.offset >> layout_.cluster_bits, range.bytes >> layout_.cluster_bits},
                  punched);
}

Task<Error> Refcounts::write_dirty() {
  RangeLock::Guard guard(writing_, 0, 1);
  co_await guard;
  MetadataBatch batch;
  batch.collect(MetadataRegions::Table::refcount_block, dirty_);
  const Error error = co_await batch.write(tables_);
  if (error) batch.restore(dirty_);
  co_return error;
}

}  // namespace tapring
