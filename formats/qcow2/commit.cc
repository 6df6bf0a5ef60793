// SPDX-License-Identifier: MIT
#include "formats/qcow2/commit.h"

#include <utility>

namespace tapring::qcow2 {

Task<Error> Commit::run() {
  const uint64_t wanted = begun_ + 1;  // what is under way may have begun too early
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

Task<Error> Commit::until_written(uint64_t change) {
  while (written_ < change) {
    if (running_) {
      co_await progress_.wait();
      continue;
    }
    const Error error = co_await begin();
    if (error) co_return error;
  }
  co_return Error{};
}

/// Who waits for it meanwhile begins another if it fails.
Task<Error> Commit::begin() {
  running_ = true;
  ++begun_;
  const Error error = co_await run_once();
  running_ = false;
  progress_.wake_all();
  co_return error;
}

Task<Error> Commit::run_once() {
  SectorWrites writes;
  map_.take_dirty(writes);
  std::vector<HostRange> releases = std::exchange(releases_, {});
  Error error = co_await allocator_.write_dirty();
  if (!error) error = co_await sync();
  if (!error) {
    synced_ = begun_;
    progress_.wake_all();
    release(std::exchange(unsynced_releases_, {}));
    error = co_await writes.write(tables_);
  }
  if (error) {
    map_.give_back(writes);
    releases_.insert(releases_.end(), releases.begin(), releases.end());
    co_return error;
  }
  unsynced_releases_.insert(unsynced_releases_.end(), releases.begin(), releases.end());
  written_ = begun_;
  co_return Error{};
}

Task<Error> Commit::sync() {
  Error error;
  if (data_file_) error = co_await data_file_->sync();
  if (!error) error = co_await file_.sync();
  co_return error;
}

void Commit::release_later(HostRange range) {
  if (!releases_.empty() && releases_.back().offset + releases_.back().bytes == range.offset) {
    releases_.back().bytes += range.bytes;
  } else {
    releases_.push_back(range);
  }
}

/// What fails here leaves clusters that are not used again.
Detached Commit::release(std::vector<HostRange> ranges) {
  if (ranges.empty()) co_return;
  const Gate::Pass pass(releasing_);
  Claim claim(releases_in_turn_, 0, 1);
  co_await claim;
  co_await epochs_.end();
  for (const HostRange& range : ranges) {
    const Error error = co_await release_range(range);
    if (error) co_return;
  }
}

Task<Error> Commit::release_range(HostRange range) {
  const Result<std::vector<HostRange>> freed = co_await allocator_.last_references(range);
  if (!freed) co_return freed.error();
  // Where it fails the room stays taken until the clusters are used again.
  for (const HostRange& hole : *freed) co_await file_.discard(hole.offset, hole.bytes);
  co_return co_await allocator_.release(range);
}

Task<Error> Commit::finish() {
  Error error = co_await until_written(begun_ + 1);
  // The sync of another one tells that those entries are durable.
  if (!error) error = co_await run();
  co_await releasing_.emptied();
  if (error) co_return error;
  error = co_await allocator_.write_dirty();
  if (!error) error = co_await file_.sync();
  co_return error;
}

}  // namespace tapring::qcow2
