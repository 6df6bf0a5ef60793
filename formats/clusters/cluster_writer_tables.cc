// SPDX-License-Identifier: MIT
// L2 tables that are made or copied, and clusters that are given back.
#include <algorithm>
#include <new>
#include <utility>

#include "formats/clusters/cluster_writer.h"
#include "formats/clusters/image_errc.h"
#include "formats/clusters/join_set.h"
#include "ring/offload.h"
#include "ring/sizes.h"

namespace tapring {

using qcow2::Entry;
using qcow2::EntryBits;
using qcow2::EntryWords;
using qcow2::L1Entry;

namespace {

/// After so many slices a discard lets other requests have a turn: where nothing is mapped it never
/// waits, and an L1 table may have four million entries.
constexpr uint64_t kSlicesOfATurn = 256;

}  // namespace

/// The slice that maps `offset`, of an L2 table that only the disk refers to: made if need be.
Task<Result<SliceRef>> ClusterWriter::writable_slice(uint64_t offset) {
  const uint64_t index = map_.l1_index(offset);
  const auto is_own = [&] { return map_.l1_entry(index).has_own_table(); };
  if (!is_own()) {
    RangeLock::Guard guard(tables_, index, index + 1);
    co_await guard;
    if (!is_own()) {
      const Error error = co_await make_table(index);
      if (error) co_return std::unexpected(error);
    }
  }
  co_return co_await map_.slice(offset);
}

/// A snapshot shares every cluster of a table that it shares, whatever the flags of its entries
/// say.
void ClusterWriter::clear_copied_flags(AlignedBytes& table) const noexcept {
  if (external()) return;
  for (uint64_t i = 0; i < layout_.l2_entries(); ++i) {
    EntryWords words = load_words(layout_, table.span(), i);
    if (!words.copied()) continue;
    words.word &= ~EntryBits::kCopied;
    store_words(layout_, table.span(), i, words);
  }
}

/// A table of its own in the file, empty or a copy of one that a snapshot has too. Nothing in the
/// file refers to it yet.
Task<Error> ClusterWriter::make_table(uint64_t l1_index) {
  const L1Entry old = map_.l1_entry(l1_index);
  AlignedBytes content(layout_.l2_table_bytes());
  const iovec whole = content.buffer();
  if (old.has_table()) {
    const Error error = co_await file_.read(old.table(), {&whole, 1});
    if (error) co_return error;
    clear_copied_flags(content);
  }
  const uint64_t clusters = layout_.round_up(content.size()) >> layout_.cluster_bits;
  const Result<ClusterAllocator::Allocation> allocated = co_await allocate(clusters);
  if (!allocated) co_return allocated.error();
  const HostRange place = allocated->range;
  metadata_.insert(MetadataRegions::Table::l2, place.offset, place.bytes);
  const Error error =
      co_await table_writer_.write(MetadataRegions::Table::l2, place.offset, {&whole, 1});
  if (error) {
    metadata_.remove(place.offset, place.bytes);
    co_await allocator_->release(place);
    co_return error;
  }
  map_.set_table(l1_index, place.offset, content.span());
  if (old.has_table()) {
    metadata_.remove(old.table(), layout_.cluster_bytes());
    commit_.release_later({old.table(), layout_.cluster_bytes()});
  }
  co_return Error{};
}

/// The entry of a cluster that reads as zeros and has no room in the file.
Entry ClusterWriter::entry_after_discard(uint64_t offset) const noexcept {
  return offset >= backing_bytes_ ? Entry() : Entry::zeros(layout_);
}

Task<Error> ClusterWriter::discard(uint64_t offset, uint64_t bytes) {
  const Puncher::Change punches_wait(puncher_);
  const uint64_t disk_end = layout_.size_bytes / kSectorBytes * kSectorBytes;
  Error error = co_await begin_change();
  if (error) co_return error;
  if (raw_external_) co_return co_await data().discard(offset, bytes);
  if (layout_.version < 3 && backing_bytes_ > 0) {
    co_return std::make_error_code(std::errc::operation_not_supported);
  }
  uint64_t generation = 0;
  const uint64_t end = offset + bytes == disk_end ? layout_.round_up(disk_end)
                                                  : layout_.cluster_begin(offset + bytes);
  uint64_t slices = 0;
  for (uint64_t at = layout_.round_up(offset); at < end && !error;) {
    if (++slices % kSlicesOfATurn == 0) co_await Yield(loop_);
    const uint64_t slice_end =
        layout_.cluster_begin(at) + (map_.entries_left(at) << layout_.cluster_bits);
    const uint64_t part_end = std::min(end, slice_end);
    error = co_await discard_clusters(at, part_end, generation);
    at = part_end;
  }
  if (!error) error = co_await commit_.wait_written(generation);
  if (!error) co_await release_backlog();
  co_return co_await end_change(error);
}

/// Releases a large backlog now, and not with the next commit: until then the death of the process
/// would leak it, and an idle guest would keep its room.
Task<Error> ClusterWriter::release_backlog() {
  if (!commit_.must_release_first()) co_return Error{};
  Error error;
  while (!error && commit_.must_release_first()) error = co_await commit_.release_some();
  if (!error) error = co_await allocator_->write_dirty();
  co_return error;
}

/// Clusters that one slice maps.
Task<Error> ClusterWriter::discard_clusters(uint64_t offset, uint64_t end, uint64_t& generation) {
  Error error = co_await commit_.make_room();
  if (!error) error = co_await puncher_.room();
  if (error) co_return error;
  RangeLock::Guard guard(clusters_, offset, end);
  co_await guard;
  const bool has_table = map_.l1_entry(map_.l1_index(offset)).has_table();
  if (!has_table && offset >= backing_bytes_) co_return Error{};
  const Result<SliceRef> slice = co_await writable_slice(offset);
  if (!slice) co_return slice.error();
  JoinSet punches;
  HostRange hole;
  for (uint64_t at = offset; at < end && !error; at += layout_.cluster_bytes()) {
    const Entry old = map_.entry(**slice, at);
    const Entry entry = entry_after_discard(at);
    if (old == entry) continue;
    const Error fault = fault_of(old);
    if (fault == ImageErrc::metadata_overlap) error = fault;
    if (fault) continue;
    if (external() && old.has_host()) {
      if (hole.offset + hole.bytes != at) {
        while (punches.full()) co_await punches.join_next();
        if (hole.bytes > 0) punches.add(data().discard(hole.offset, hole.bytes));
        hole = {at, 0};
      }
      hole.bytes += layout_.cluster_bytes();
    }
    try {
      map_.set_entry(*slice, at, entry);
      release_old(old);
    } catch (const std::bad_alloc&) {
      error = std::make_error_code(std::errc::not_enough_memory);  // those under way are awaited
    }
  }
  // Where the storage cannot do it, the room stays taken.
  if (hole.bytes > 0) punches.add(data().discard(hole.offset, hole.bytes));
  while (!punches.empty()) co_await punches.join_next();
  generation = std::max(generation, (*slice)->generation);
  co_return error;
}

}  // namespace tapring
