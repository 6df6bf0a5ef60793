// SPDX-License-Identifier: MIT
#include "ring/uring_transfers.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include "ring/uring_loop.h"

namespace tapring {

/// Transfers that are done as one.
class UringTransfers::Run final : public Completion {
 public:
  explicit Run(UringTransfers& transfers) noexcept : transfers_(transfers) {}

  /// What the kernel is asked for; stays until the result is there.
  std::span<const iovec> join(std::span<Transfer* const> joined) noexcept {
    count_ = joined.size();
    std::ranges::copy(joined, joined_.begin());
    std::ranges::transform(joined, memory_.begin(),
                           [](const Transfer* transfer) { return transfer->place_.memory; });
    return std::span(memory_).first(count_);
  }

  void completed(int result) noexcept override {
    std::size_t done = result < 0 ? 0 : static_cast<std::size_t>(result);
    const auto joined = joined_;
    const std::size_t count = count_;
    // Given back first: who is resumed may need one.
    transfers_.free_runs_.emplace_back(this);
    for (Transfer* transfer : std::span(joined).first(count)) {
      const std::size_t bytes = transfer->place_.memory.iov_len;
      const bool whole = done >= bytes;
      done = whole ? done - bytes : 0;
      transfer->completed(whole ? static_cast<int>(bytes) : kDoAlone);
    }
  }

 private:
  UringTransfers& transfers_;
  std::size_t count_ = 0;
  std::array<Transfer*, kMaxJoined> joined_;
  std::array<iovec, kMaxJoined> memory_;
};

UringTransfers::UringTransfers(UringLoop& loop) noexcept : loop_(loop) {}

UringTransfers::~UringTransfers() = default;

void UringTransfers::Transfer::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  transfers_.queued_.push_back(this);
  ++transfers_.under_way_;
}

void UringTransfers::Transfer::completed(int result) noexcept {
  --transfers_.under_way_;
  result_ = result;
  waiter_.resume();
}

void UringTransfers::submit() {
  bool taken = true;
  // Again, as those that failed may have asked for more.
  while (!queued_.empty()) {
    submitting_.swap(queued_);
    for (std::span<Transfer* const> queued(submitting_); !queued.empty();) {
      const auto run = next_run(queued);
      queued = queued.subspan(run.size());
      if (taken && submit_joined(run)) continue;
      for (Transfer* transfer : run) {
        taken = taken && submit_alone(*transfer);
        // The kernel has no memory for requests: no reason to ask it again at once.
        if (!taken) transfer->completed(-ENOMEM);
      }
    }
    submitting_.clear();
  }
}

/// In the order of asking, which is the guest's: a sequential guest's requests lie side by side.
std::span<UringTransfers::Transfer* const> UringTransfers::next_run(
    std::span<Transfer* const> queued) const noexcept {
  const Place& first = queued.front()->place_;
  std::size_t bytes = first.memory.iov_len;
  std::size_t count = 1;
  while (!first.alone && count < std::min(queued.size(), kMaxJoined)) {
    const Place& next = queued[count]->place_;
    if (next.alone || next.fd != first.fd || next.direction != first.direction ||
        next.offset != first.offset + bytes || bytes + next.memory.iov_len > kMaxJoinedBytes) {
      break;
    }
    bytes += next.memory.iov_len;
    ++count;
  }
  return queued.first(count);
}

/// False, and nothing is done, where the kernel takes nothing more.
bool UringTransfers::submit_alone(Transfer& transfer) try {
  const auto& [fd, direction, offset, memory, alone] = transfer.place_;
  io_uring_sqe& sqe = loop_.next_sqe();
  const auto bytes = static_cast<unsigned>(memory.iov_len);
  const auto buffer = loop_.registered_buffer(memory.iov_base, memory.iov_len);
  if (direction == Direction::read && buffer) {
    io_uring_prep_read_fixed(&sqe, fd, memory.iov_base, bytes, offset, *buffer);
  } else if (direction == Direction::read) {
    io_uring_prep_read(&sqe, fd, memory.iov_base, bytes, offset);
  } else if (buffer) {
    io_uring_prep_write_fixed(&sqe, fd, memory.iov_base, bytes, offset, *buffer);
  } else {
    io_uring_prep_write(&sqe, fd, memory.iov_base, bytes, offset);
  }
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(&transfer));
  return true;
} catch (const std::system_error&) {
  return false;
}

/// False, and nothing is done, where it is a single one, or there is no memory for that.
bool UringTransfers::submit_joined(std::span<Transfer* const> joined) try {
  if (joined.size() == 1) return false;
  if (free_runs_.empty()) add_run();
  io_uring_sqe& sqe = loop_.next_sqe();
  // Its own until the completion, which gives it back.
  Run* const run = free_runs_.back().release();
  free_runs_.pop_back();
  const std::span<const iovec> memory = run->join(joined);
  const Place& first = joined.front()->place_;
  const auto count = static_cast<unsigned>(memory.size());
  if (first.direction == Direction::read) {
    io_uring_prep_readv(&sqe, first.fd, memory.data(), count, first.offset);
  } else {
    io_uring_prep_writev(&sqe, first.fd, memory.data(), count, first.offset);
  }
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(run));
  return true;
} catch (const std::bad_alloc&) {
  return false;
} catch (const std::system_error&) {
  return false;
}

/// With room for all of them to come back, which must not fail.
void UringTransfers::add_run() {
  free_runs_.reserve(runs_ + 1);
  free_runs_.push_back(std::make_unique<Run>(*this));
  ++runs_;
}

}  // namespace tapring
