// SPDX-License-Identifier: MIT
#include "ring/uring_transfers.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include "ring/uring_loop.h"

namespace tapring {

/// Transfers that are submitted as one.
class UringTransfers::MergedTransfer final : public Completion {
 public:
  explicit MergedTransfer(UringTransfers& owner) noexcept : owner_(owner) {}

  /// The memory of all, for the kernel; valid until the completion.
  std::span<const iovec> merge(std::span<Transfer* const> transfers) noexcept {
    count_ = transfers.size();
    std::ranges::copy(transfers, transfers_.begin());
    std::ranges::transform(transfers, memory_.begin(),
                           [](const Transfer* transfer) { return transfer->place_.memory; });
    return std::span(memory_).first(count_);
  }

  void completed(int result) noexcept override {
    std::size_t done = result < 0 ? 0 : static_cast<std::size_t>(result);
    const auto transfers = transfers_;
    const std::size_t count = count_;
    // Free before any waiter goes on, as that one may need a MergedTransfer.
    owner_.free_merged_.emplace_back(this);
    for (Transfer* transfer : std::span(transfers).first(count)) {
      const std::size_t bytes = transfer->place_.memory.iov_len;
      const bool whole = done >= bytes;
      done = whole ? done - bytes : 0;
      transfer->completed(whole ? static_cast<int>(bytes) : kRetryUnmerged);
    }
  }

 private:
  UringTransfers& owner_;
  std::size_t count_ = 0;
  std::array<Transfer*, kMaxMerged> transfers_;
  std::array<iovec, kMaxMerged> memory_;
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
  // Until nothing new comes: coroutines whose transfers failed may have asked for others.
  while (!queued_.empty()) {
    submitting_.swap(queued_);
    for (std::span<Transfer* const> queued(submitting_); !queued.empty();) {
      const auto mergeable = next_mergeable(queued);
      queued = queued.subspan(mergeable.size());
      if (taken && submit_merged(mergeable)) continue;
      for (Transfer* transfer : mergeable) {
        taken = taken && submit_single(*transfer);
        // The kernel has no memory for requests: no reason to ask it again at once.
        if (!taken) transfer->completed(-ENOMEM);
      }
    }
    submitting_.clear();
  }
}

/// The first of the queue and those behind it that continue it. They are in the order in which the
/// guest asked, so that the requests of a sequential guest lie side by side.
std::span<UringTransfers::Transfer* const> UringTransfers::next_mergeable(
    std::span<Transfer* const> queued) const noexcept {
  const Place& first = queued.front()->place_;
  std::size_t bytes = first.memory.iov_len;
  std::size_t count = 1;
  while (!first.unmerged && count < std::min(queued.size(), kMaxMerged)) {
    const Place& next = queued[count]->place_;
    if (next.unmerged || next.fd != first.fd || next.direction != first.direction ||
        next.offset != first.offset + bytes || bytes + next.memory.iov_len > kMaxMergedBytes) {
      break;
    }
    bytes += next.memory.iov_len;
    ++count;
  }
  return queued.first(count);
}

/// False, and nothing is done, if the kernel takes nothing more.
bool UringTransfers::submit_single(Transfer& transfer) try {
  const auto& [fd, direction, offset, memory, unmerged] = transfer.place_;
  io_uring_sqe& sqe = loop_.next_sqe();
  const auto bytes = static_cast<unsigned>(memory.iov_len);
  const auto buffer = loop_.memory().index_of(memory.iov_base, memory.iov_len);
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

/// False, and nothing is done, where there is only one, or no memory to merge them.
bool UringTransfers::submit_merged(std::span<Transfer* const> transfers) try {
  if (transfers.size() == 1) return false;
  if (free_merged_.empty()) add_merged();
  io_uring_sqe& sqe = loop_.next_sqe();
  // Owned by nobody until its completion puts it back.
  MergedTransfer* const merged = free_merged_.back().release();
  free_merged_.pop_back();
  const std::span<const iovec> memory = merged->merge(transfers);
  const Place& first = transfers.front()->place_;
  const auto count = static_cast<unsigned>(memory.size());
  if (first.direction == Direction::read) {
    io_uring_prep_readv(&sqe, first.fd, memory.data(), count, first.offset);
  } else {
    io_uring_prep_writev(&sqe, first.fd, memory.data(), count, first.offset);
  }
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(merged));
  return true;
} catch (const std::bad_alloc&) {
  return false;
} catch (const std::system_error&) {
  return false;
}

/// Makes room to put all of them back as well, which must not fail.
void UringTransfers::add_merged() {
  free_merged_.reserve(merged_count_ + 1);
  free_merged_.push_back(std::make_unique<MergedTransfer>(*this));
  ++merged_count_;
}

}  // namespace tapring
