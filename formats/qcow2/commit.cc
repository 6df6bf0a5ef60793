// SPDX-License-Identifier: MIT
#include "formats/qcow2/commit.h"

#include <utility>

#include "ring/next_turn.h"

namespace tapring::qcow2 {
namespace {

/// Of many releases, others are let in between.
constexpr std::size_t kReleasesOfATurn = 256;

}  // namespace

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
  const Error of_refcounts = co_await allocator_.write_dirty();
  Error error = co_await sync();
  if (!error) {
    synced_ = begun_;
    progress_.wake_all();
    release(std::exchange(unsynced_releases_, {}));
    error = of_refcounts ? of_refcounts : co_await writes.write(tables_);
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
  pending_.bytes += range.bytes;
  if (!releases_.empty() && releases_.back().offset + releases_.back().bytes == range.offset) {
    releases_.back().bytes += range.bytes;
  } else {
    releases_.push_back(range);
    ++pending_.ranges;
  }
}

Task<Error> Commit::make_room() {
  Error error;
  if (is_due()) error = co_await until_written(map_.change());
  while (!error && pending_.ranges >= kMaxReleases) error = co_await release_some();
  co_return error;
}

/// A commit writes the entries, the sync of the next one makes that durable, then only transfers
/// that are under way are waited for.
Task<Error> Commit::release_some() {
  if (!releases_.empty() || !unsynced_releases_.empty()) {
    co_return co_await until_written(map_.change());
  }
  if (running_ || releasing_.inside() > 0) co_await progress_.wait();
  co_return Error{};
}

/// What fails here leaves clusters that are not used again.
Detached Commit::release(std::vector<HostRange> ranges) {
  if (ranges.empty()) co_return;
  const Gate::Pass pass(releasing_);
  Claim claim(releases_in_turn_, 0, 1);
  co_await claim;
  co_await epochs_.end();
  std::size_t done = 0;
  for (const HostRange& range : ranges) {
    co_await allocator_.release(range);
    --pending_.ranges;
    pending_.bytes -= range.bytes;
    if (++done % kReleasesOfATurn == 0) co_await NextTurn(loop_);
  }
  puncher_.retry();
  progress_.wake_all();
}

Task<Error> Commit::finish() {
  Error error = co_await until_written(begun_ + 1);
  // The sync of another one tells that those entries are durable.
  if (!error) error = co_await run();
  co_await releasing_.emptied();
  co_await puncher_.finish();
  if (error) co_return error;
  error = co_await allocator_.write_dirty();
  if (!error) error = co_await file_.sync();
  co_return error;
}

}  // namespace tapring::qcow2
