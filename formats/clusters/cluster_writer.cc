// SPDX-License-Identifier: MIT
#include "formats/clusters/cluster_writer.h"

#include <algorithm>
#include <utility>

#include "formats/clusters/append_allocator.h"
#include "formats/clusters/buffer_slice.h"
#include "formats/clusters/image_errc.h"
#include "formats/clusters/join_set.h"
#include "formats/clusters/refcounts.h"
#include "ring/sizes.h"

namespace tapring {

using qcow2::CompressedPlace;
using qcow2::Entry;
using qcow2::Feature;
using qcow2::Header;

/// Called when the members that the allocator refers to are set up.
std::unique_ptr<ClusterAllocator> ClusterWriter::allocator_for(
    const Context& context, std::optional<std::vector<uint64_t>> refcounts) {
  if (!refcounts) return std::make_unique<AppendAllocator>(layout_, file_.end());
  return std::make_unique<Refcounts>(
      context.loop, layout_, file_, table_writer_, header_, metadata_, grace_periods_,
      Refcounts::Place{std::move(*refcounts), context.header.refcount_table_offset});
}

ClusterWriter::ClusterWriter(const Context& context, WritableParts parts)
    : loop_(context.loop),
      layout_(context.header.layout),
      autoclear_(context.header.autoclear),
      raw_external_(context.header.raw_external_data()),
      image_(context.image),
      map_(context.map),
      grace_periods_(context.grace_periods),
      file_(context.file),
      data_file_(context.data_file),
      backing_bytes_(context.backing_bytes),
      metadata_(std::move(parts.metadata)),
      table_writer_(file_, metadata_),
      header_(context.loop, table_writer_, std::move(parts.header_sector)),
      allocator_(allocator_for(context, std::move(parts.refcount_table))),
      puncher_(context.loop, *allocator_, file_),
      commit_(context.loop,
              {map_, *allocator_, grace_periods_, table_writer_, file_, data_file_, puncher_}),
      clusters_(context.loop),
      tables_(context.loop),
      header_changes_(context.loop),
      copy_ended_(context.loop) {
  for (const HostRange& leak : parts.leaks) commit_.release_later(leak);
}

/// Before the first change, clears the autoclear bits: what an image promises besides, such as its
/// bitmaps, is not true of the changed disk. Before each change, bounds what waits to be written.
Task<Error> ClusterWriter::begin_change() {
  if (broken_) co_return broken_;
  if (!changed_) {
    RangeLock::Guard guard(header_changes_, 0, 1);
    co_await guard;
    const uint64_t kept = autoclear_ & Feature::kRawExternalData;
    if (!changed_ && kept != autoclear_) {
      header_.set(Header::kAutoclearAt, kept);
      const Error error = co_await header_.write();
      if (error) co_return error;
    }
    changed_ = true;
  }
  co_return co_await commit_.make_room();
}

/// Waits for clusters that are about to be released before it lets the file grow: else a guest that
/// writes and discards would have a file that grows without end.
Task<Result<ClusterAllocator::Allocation>> ClusterWriter::allocate(uint64_t clusters) {
  for (;;) {
    const bool may_grow = !commit_.must_release_first();
    const auto allocation = co_await allocator_->allocate(clusters, may_grow);
    if (!allocation || allocation->range.bytes > 0) co_return allocation;
    const Error error = co_await commit_.release_some();
    if (error) co_return std::unexpected(error);
  }
}

/// An image that turns out to be corrupt is marked as such, and not changed any more.
Task<Error> ClusterWriter::end_change(Error error) {
  if (error != ImageErrc::metadata_overlap || broken_) co_return error;
  broken_ = error;
  if (events_) events_->corrupt(error);
  if (layout_.version < 3) co_return error;
  header_.set(Header::kIncompatibleAt,
              header_.get<uint64_t>(Header::kIncompatibleAt) | Feature::kCorrupt);
  // Whether this write works or not, the guest is told that the image is corrupt.
  co_await header_.write();
  co_return error;
}

Task<Error> ClusterWriter::write(uint64_t offset, Buffers from) {
  const Puncher::Change punches_wait(puncher_);
  Error error = co_await begin_change();
  if (!error) error = co_await write_parts(offset, from);
  co_return co_await end_change(error);
}

void ClusterWriter::report_to(std::shared_ptr<ImageEvents> events) noexcept {
  events_ = std::move(events);
  commit_.report_to(*events_);
  puncher_.report_to(*events_);
}

Task<Error> ClusterWriter::flush() {
  const Error error = co_await commit_.run();
  co_return co_await end_change(error);
}

Task<Error> ClusterWriter::write_parts(uint64_t offset, Buffers from) {
  const uint64_t bytes = bytes_of(from);
  JoinSet parts;
  Error error;
  uint64_t generation = 0;
  for (uint64_t done = 0; done < bytes && !error;) {
    const uint64_t at = offset + done;
    std::optional<Extent> extent;
    if (map_.l1_entry(map_.l1_index(at)).has_own_table()) {
      const Result<SliceRef> slice = co_await map_.slice(at);
      if (!slice) {
        error = slice.error();
        break;
      }
      extent = writable_extent(**slice, at, bytes - done);
      generation = std::max(generation, (*slice)->generation);
    }
    uint64_t part = bytes - done;
    if (extent) {
      part = extent->bytes;
      parts.add(write_data(extent->host, from, done, part));
    } else {
      part =
          std::min(part, (map_.entries_left(at) << layout_.cluster_bits) - layout_.in_cluster(at));
      parts.add(write_new(at, from, done, part, generation));
    }
    done += part;
    while (parts.full()) keep_first(error, co_await parts.join_next());
  }
  while (!parts.empty()) keep_first(error, co_await parts.join_next());
  if (error) co_return error;
  co_return co_await commit_.wait_written(generation);
}

/// `host` is where the map said in this turn of the loop.
Task<Error> ClusterWriter::write_data(uint64_t host, Buffers from, uint64_t skip, uint64_t bytes) {
  if (!external() && metadata_.hits(host, bytes)) co_return ImageErrc::metadata_overlap;
  const GracePeriods::Reader reader(grace_periods_);
  const BufferSlice part(from, skip, bytes);
  co_return co_await data().write(host, part.buffers());
}

/// The extent at `offset` that may be overwritten in place, if there is one.
std::optional<Extent> ClusterWriter::writable_extent(const TableSlice& slice, uint64_t offset,
                                                     uint64_t bytes) const noexcept {
  Extent extent = extent_at(layout_, slice.bytes.span(), offset, bytes);
  if (extent.kind != ExtentKind::data) return std::nullopt;
  const uint64_t end = offset + extent.bytes;
  for (uint64_t at = offset; at < end; at = layout_.cluster_begin(at) + layout_.cluster_bytes()) {
    if (map_.entry(slice, at).has_own_host()) continue;
    extent.bytes = at - offset;
    break;
  }
  if (extent.bytes == 0) return std::nullopt;
  return extent;
}

Task<Error> ClusterWriter::write_new(uint64_t offset, Buffers from, uint64_t skip, uint64_t bytes,
                                     uint64_t& generation) {
  const uint64_t end = offset + bytes;
  RangeLock::Guard guard(clusters_, layout_.cluster_begin(offset), layout_.round_up(end));
  co_await guard;
  while (offset < end) {
    const Result<uint64_t> done = co_await write_some(offset, from, skip, end - offset, generation);
    if (!done) co_return done.error();
    offset += *done;
    skip += *done;
  }
  co_return Error{};
}

/// The clusters are claimed: nobody else changes their entries.
Task<Result<uint64_t>> ClusterWriter::write_some(uint64_t offset, Buffers from, uint64_t skip,
                                                 uint64_t bytes, uint64_t& generation) {
  const Result<SliceRef> slice = co_await writable_slice(offset);
  if (!slice) co_return std::unexpected(slice.error());
  if (const auto extent = writable_extent(**slice, offset, bytes)) {
    const Error error = co_await write_data(extent->host, from, skip, extent->bytes);
    if (error) co_return std::unexpected(error);
    generation = std::max(generation, (*slice)->generation);
    co_return extent->bytes;
  }
  Result<Run> run = co_await place(**slice, offset, bytes);
  if (!run) co_return std::unexpected(run.error());
  choose_cow(**slice, *run);
  const Error error = co_await copy_and_write(**slice, *run, from, skip);
  if (!error) {
    map_run(*slice, *run);
    generation = std::max(generation, (*slice)->generation);
    co_return run->end - run->offset;
  }
  if (run->allocated) {
    // Nothing refers to them. If this fails too, they are leaked.
    co_await allocator_->release({run->host, run->clusters << layout_.cluster_bits});
  }
  co_return std::unexpected(error);
}

/// Why the cluster that the entry leads to may be neither written nor released; no error if it may.
Error ClusterWriter::fault_of(const Entry& entry) const noexcept {
  if (!entry.valid()) return ImageErrc::invalid_entry;
  if (external()) return {};
  // Version 1 packs what is compressed between its tables, and gives nothing back.
  if (entry.compressed() && layout_.version == 1) return {};
  HostRange range{entry.host(), entry.has_host() ? layout_.cluster_bytes() : 0};
  if (entry.compressed()) {
    const CompressedPlace place = compressed_place(layout_, entry.compressed_word());
    range = {place.offset, place.bytes};
  }
  return metadata_.hits(range.offset, range.bytes) ? ImageErrc::metadata_overlap : Error();
}

/// Chooses where the write goes: into the cluster that the first entry has already, or into new
/// ones, for as many clusters as one allocation gives.
Task<Result<ClusterWriter::Run>> ClusterWriter::place(const TableSlice& slice, uint64_t offset,
                                                      uint64_t bytes) {
  const Entry first = map_.entry(slice, offset);
  const Error fault = fault_of(first);
  if (fault) co_return std::unexpected(fault);
  const uint64_t begin = layout_.cluster_begin(offset);
  Run run{offset, offset + bytes, first.host(), 1, false, false};
  if (external()) {
    run.host = begin;
  } else if (!first.has_own_host()) {
    const uint64_t clusters = (layout_.round_up(run.end) - begin) >> layout_.cluster_bits;
    uint64_t wanted = 1;
    for (; wanted < clusters; ++wanted) {
      const Entry next = map_.entry(slice, begin + (wanted << layout_.cluster_bits));
      if (next.has_own_host() || fault_of(next)) break;
    }
    const Result<ClusterAllocator::Allocation> allocated = co_await allocate(wanted);
    if (!allocated) co_return std::unexpected(allocated.error());
    run.host = allocated->range.offset;
    run.clusters = allocated->range.bytes >> layout_.cluster_bits;
    run.allocated = true;
    run.known_zero = allocated->known_zero;
  }
  run.end = std::min(run.end, begin + (run.clusters << layout_.cluster_bits));
  co_return run;
}

/// Without subclusters a cluster is mapped as a whole. With them only the touched ones are, unless
/// the cluster moves and its other data must move with it.
bool ClusterWriter::copies_whole(const Entry& old, bool allocated) const noexcept {
  return !layout_.extended_l2 || old.compressed() || (allocated && old.has_data());
}

void ClusterWriter::choose_cow(const TableSlice& slice, Run& run) const noexcept {
  const uint64_t unit = layout_.unit_bytes();
  const uint64_t cluster = layout_.cluster_bytes();
  const auto is_data = [&](uint64_t at) {
    return !run.allocated &&
           map_.entry(slice, at).kind(static_cast<uint32_t>(layout_.in_cluster(at) / unit)) ==
               ExtentKind::data;
  };
  const uint64_t last = run.end - 1;
  run.cow_begin = run.offset / unit * unit;
  run.cow_end = (last / unit + 1) * unit;
  if (copies_whole(map_.entry(slice, run.offset), run.allocated)) {
    run.cow_begin = layout_.cluster_begin(run.offset);
  } else if (is_data(run.offset)) {
    run.cow_begin = run.offset;
  }
  if (copies_whole(map_.entry(slice, last), run.allocated)) {
    run.cow_end = layout_.cluster_begin(last) + cluster;
  } else if (is_data(last)) {
    run.cow_end = run.end;
  }
}

bool ClusterWriter::reads_as_zeros(const TableSlice& slice, uint64_t begin,
                                   uint64_t end) const noexcept {
  if (begin >= layout_.size_bytes) return true;
  const Extent extent = extent_at(layout_, slice.bytes.span(), begin, end - begin);
  if (begin + extent.bytes < std::min(end, layout_.size_bytes)) return false;
  return extent.kind == ExtentKind::zero ||
         (extent.kind == ExtentKind::unallocated && begin >= backing_bytes_);
}

/// What the guest reads there now; zeros past the end of its disk.
Task<Error> ClusterWriter::read_old(uint64_t offset, AlignedBytes& into) {
  const uint64_t disk_end = layout_.size_bytes / kSectorBytes * kSectorBytes;
  if (offset >= disk_end) co_return Error{};
  const iovec there{into.data(), std::min<uint64_t>(into.size(), disk_end - offset)};
  co_return co_await image_.read(offset, {&there, 1});
}

Task<Error> ClusterWriter::copy_and_write(const TableSlice& slice, const Run& run, Buffers from,
                                          uint64_t skip) {
  const bool head_zero = reads_as_zeros(slice, run.cow_begin, run.offset);
  const bool tail_zero = reads_as_zeros(slice, run.end, run.cow_end);
  // Clusters that were never written read as zeros already.
  const uint64_t head_bytes = run.known_zero && head_zero ? 0 : run.offset - run.cow_begin;
  const uint64_t tail_bytes = run.known_zero && tail_zero ? 0 : run.cow_end - run.end;
  const bool copies = head_bytes + tail_bytes > 0;
  while (copies && copies_ >= kMaxCopies) co_await copy_ended_.wait();
  const CopyPass pass(*this, copies);
  AlignedBytes head(head_bytes);
  AlignedBytes tail(tail_bytes);
  JoinSet parts(3);
  if (head.size() > 0 && !head_zero) parts.add(read_old(run.cow_begin, head));
  if (tail.size() > 0 && !tail_zero) parts.add(read_old(run.end, tail));
  Error error;
  while (!parts.empty()) keep_first(error, co_await parts.join_next());
  if (!error) {
    const uint64_t host = run.host + layout_.in_cluster(run.offset);
    const BufferSlice part(from, skip, run.end - run.offset);
    const iovec head_buffer = head.buffer();
    const iovec tail_buffer = tail.buffer();
    if (head.size() > 0) parts.add(data().write(host - head.size(), {&head_buffer, 1}));
    parts.add(data().write(host, part.buffers()));
    if (tail.size() > 0) {
      parts.add(data().write(host + (run.end - run.offset), {&tail_buffer, 1}));
    }
    while (!parts.empty()) keep_first(error, co_await parts.join_next());
  }
  co_return error;
}

void ClusterWriter::map_run(const SliceRef& slice, const Run& run) {
  const uint64_t cluster_bytes = layout_.cluster_bytes();
  const uint64_t begin = layout_.cluster_begin(run.offset);
  for (uint64_t i = 0; i < run.clusters; ++i) {
    const uint64_t at = begin + i * cluster_bytes;
    const Entry old = map_.entry(*slice, at);
    Entry entry = Entry::own(run.host + i * cluster_bytes);
    if (!old.compressed()) entry.take_units(old);
    const uint64_t unit = layout_.unit_bytes();
    const uint64_t first = (std::max(run.cow_begin, at) - at) / unit;
    const uint64_t end = std::min(run.cow_end, at + cluster_bytes) - at;
    entry.set_data(static_cast<uint32_t>(first),
                   static_cast<uint32_t>((end + unit - 1) / unit - first));
    map_.set_entry(slice, at, entry);
    if (run.allocated) release_old(old);
  }
}

void ClusterWriter::release_old(const Entry& old) {
  if (external()) return;
  if (old.compressed()) {
    const CompressedPlace place = compressed_place(layout_, old.compressed_word());
    const uint64_t begin = layout_.cluster_begin(place.offset);
    commit_.release_later({begin, layout_.round_up(place.offset + place.bytes) - begin});
  } else if (old.has_host()) {
    commit_.release_later({old.host(), layout_.cluster_bytes()});
  }
}

}  // namespace tapring
