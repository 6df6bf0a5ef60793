// SPDX-License-Identifier: MIT
#include "formats/clusters/commit.h"

#include <new>
#include <utility>

#include "ring/offload.h"

namespace tapring {
namespace {

/// After so many releases other requests get a turn.
constexpr std::size_t kReleasesOfATurn = 256;

}  // namespace

Task<Error> Commit::run() {
  const uint64_t wanted = begun_ + 1;  // the one under way may have begun before the last write
  while (synced_ < wanted) {
    if (running_) {
      co_await progress_.wait();
      continue;
    }
    const Error error = co_await begin();
    if (error && synced_ < wanted) co_return error;
  }
  co_return Error{};
}

Task<Error> Commit::wait_written(uint64_t generation) {
  while (written_ < generation) {
    if (running_) {
      co_await progress_.wait();
      continue;
    }
    const Error error = co_await begin();
    if (error) co_return error;
  }
  co_return Error{};
}

/// If it fails, whoever waits for it meanwhile begins another.
Task<Error> Commit::begin() {
  running_ = true;
  const Error error = co_await run_once();
  running_ = false;
  progress_.wake_all();
  co_return error;
}

Task<Error> Commit::run_once() {
  MetadataBatch batch;
  map_.collect_dirty(batch);
  ++begun_;  // the map counts its takings as well
  std::vector<HostRange> releases = std::exchange(releases_, {});
  const Error of_refcounts = co_await allocator_.write_dirty();
  Error error = co_await sync();
  if (!error) {
    synced_ = begun_;
    progress_.wake_all();
    release(unsynced_releases_);
    error = of_refcounts;
    if (!error) error = co_await batch.write(tables_);
  }
  if (error) {
    map_.restore_dirty(batch);
    append(releases_, releases);
    co_return error;
  }
  map_.mark_written();
  written_ = begun_;
  append(unsynced_releases_, releases);
  co_return Error{};
}

Task<Error> Commit::sync() {
  Error error;
  if (data_file_) error = co_await data_file_->sync();
  if (!error) error = co_await file_.sync();
  co_return error;
}

/// Ranges for which there is no memory are leaked.
void Commit::append(std::vector<HostRange>& to, std::span<const HostRange> ranges) noexcept {
  try {
    to.insert(to.end(), ranges.begin(), ranges.end());
  } catch (const std::bad_alloc&) {
    for (const HostRange& range : ranges) is_done(range);
  }
}

void Commit::release_later(HostRange range) {
  if (!releases_.empty() && releases_.back().offset + releases_.back().bytes == range.offset) {
    releases_.back().bytes += range.bytes;
  } else {
    releases_.push_back(range);
    ++pending_.ranges;
  }
  pending_.bytes += range.bytes;
}

Task<Error> Commit::make_room() {
  Error error;
  if (must_commit()) error = co_await wait_written(map_.generation());
  while (!error && pending_.ranges >= kMaxReleases) error = co_await release_some();
  co_return error;
}

/// One commit writes the new entries, the sync of the next makes them durable; after that only the
/// transfers that are under way keep the clusters from being used again.
Task<Error> Commit::release_some() {
  if (!releases_.empty() || !unsynced_releases_.empty()) {
    co_return co_await wait_written(map_.generation());
  }
  if (running_ || releasing_.size() > 0) co_await progress_.wait();
  co_return Error{};
}

/// A failure here leaks clusters: they are not used again.
Detached Commit::release(std::vector<HostRange>& all) {
  if (all.empty()) co_return;
  const TaskGroup::Member member(releasing_);
  const std::vector<HostRange> ranges = std::exchange(all, {});
  std::size_t done = 0;
  const Error error = co_await release_all(ranges, done);
  for (; done < ranges.size(); ++done) is_done(ranges[done]);  // there was no memory for them
  if (error && events_ != nullptr) {
    events_->warn("clusters that are no longer used could not be freed (detach the disk, then: "
                  "tapring image check --repair leaks)",
                  error);
  }
  puncher_.retry();
  progress_.wake_all();
}

Task<Error> Commit::release_all(std::span<const HostRange> ranges, std::size_t& done) {
  RangeLock::Guard guard(releases_in_turn_, 0, 1);
  co_await guard;
  const Error waited = co_await grace_periods_.wait();
  if (waited) co_return waited;
  Error first;
  for (const HostRange& range : ranges) {
    const Error error = co_await allocator_.release(range);
    if (!first) first = error;
    is_done(range);
    if (++done % kReleasesOfATurn == 0) co_await Yield(loop_);
  }
  co_return first;
}

Task<Error> Commit::finish() {
  Error error = co_await wait_written(begun_ + 1);
  // The sync of a second commit makes the entries of the first durable.
  if (!error) error = co_await run();
  co_await releasing_.drained();
  co_await puncher_.finish();
  if (error) co_return error;
  error = co_await allocator_.write_dirty();
  if (!error) error = co_await file_.sync();
  co_return error;
}

}  // namespace tapring
