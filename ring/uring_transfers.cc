// SPDX-License-Identifier: MIT
#include "ring/uring_transfers.h"

#include <algorithm>
#include <utility>

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
  ++transfers_.under_way_;
  transfers_.queued_.push_back(this);
}

void UringTransfers::Transfer::completed(int result) noexcept {
  --transfers_.under_way_;
  result_ = result;
  waiter_.resume();
}

void UringTransfers::submit() {
  for (std::span<Transfer* const> queued(queued_); !queued.empty();) {
    const auto run = next_run(queued);
    run.size() == 1 ? submit_alone(*run.front()) : submit_joined(run);
    queued = queued.subspan(run.size());
  }
  queued_.clear();
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

void UringTransfers::submit_alone(Transfer& transfer) {
  const auto& [fd, direction, offset, memory, alone] = transfer.place_;
  io_uring_sqe& sqe = loop_.next_sqe();
  const auto bytes = static_cast<unsigned>(memory.iov_len);
  const bool registered = loop_.is_registered(memory.iov_base, memory.iov_len);
  if (direction == Direction::read && registered) {
    io_uring_prep_read_fixed(&sqe, fd, memory.iov_base, bytes, offset, 0);
  } else if (direction == Direction::read) {
    io_uring_prep_read(&sqe, fd, memory.iov_base, bytes, offset);
  } else if (registered) {
    io_uring_prep_write_fixed(&sqe, fd, memory.iov_base, bytes, offset, 0);
  } else {
    io_uring_prep_write(&sqe, fd, memory.iov_base, bytes, offset);
  }
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(&transfer));
}

void UringTransfers::submit_joined(std::span<Transfer* const> joined) {
  std::unique_ptr<Run> run;
  if (free_runs_.empty()) {
    run = std::make_unique<Run>(*this);
  } else {
    run = std::move(free_runs_.back());
    free_runs_.pop_back();
  }
  const std::span<const iovec> memory = run->join(joined);
  const Place& first = joined.front()->place_;
  io_uring_sqe& sqe = loop_.next_sqe();
  const auto count = static_cast<unsigned>(memory.size());
  if (first.direction == Direction::read) {
    io_uring_prep_readv(&sqe, first.fd, memory.data(), count, first.offset);
  } else {
    io_uring_prep_writev(&sqe, first.fd, memory.data(), count, first.offset);
  }
  // Its own until the completion, which gives it back.
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(run.release()));
}

}  // namespace tapring
