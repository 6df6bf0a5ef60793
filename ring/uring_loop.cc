// SPDX-License-Identifier: MIT
#include "ring/uring_loop.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "ring/aligned_file.h"
#include "ring/open_file.h"
#include "ring/uring_file.h"

namespace tapring {
namespace {

constexpr std::chrono::milliseconds kSubmitPause{1};

void limit_storage_threads(io_uring& uring, unsigned limit) {
  std::array<unsigned, 2> threads{limit, 0};
  io_uring_register_iowq_max_workers(&uring, threads.data());
}

}  // namespace

UringLoop::UringLoop(std::unique_ptr<Uring> uring)
    : uring_(std::move(uring)), memory_(uring_->get()), waker_(*this) {
  uring_->enable();
  limit_storage_threads(ring(), kMaxStorageThreads);
  completed_.reserve(ring().cq.ring_entries);  // all that can be collected at once
  waker_.arm();
}

UringLoop::~UringLoop() = default;

io_uring_sqe& UringLoop::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring());
  for (auto waited = std::chrono::milliseconds::zero(); sqe == nullptr;) {
    const int result = io_uring_submit(&ring());
    // The queue is full and the kernel took nothing of it: it has no memory, even if it reports 0.
    const int error = result == 0 ? EAGAIN : -result;
    if ((error == EBUSY || error == EAGAIN) && waited < kSubmitPatience) {
      std::this_thread::sleep_for(kSubmitPause);
      waited += kSubmitPause;
    } else if (error > 0 && error != EINTR) {
      throw std::system_error(error, std::system_category(), "submitting to io_uring");
    }
    sqe = io_uring_get_sqe(&ring());
  }
  return *sqe;
}

std::unique_ptr<File> UringLoop::file(OpenFile file) {
  const uint32_t block_bytes = file.dio_align;
  auto blocks = std::make_unique<UringFile>(*this, std::move(file));
  return align_file(*this, std::move(blocks), block_bytes);
}

/// Each thread may hang with the storage of one disk. The kernel starts another for what waits
/// already only when something new comes, or when a thread falls asleep.
void UringLoop::expect_stuck(std::size_t requests) {
  const auto stuck = static_cast<unsigned>(std::min<std::size_t>(requests, kMaxStuckThreads));
  if (stuck == stuck_) return;
  const bool more = stuck > std::exchange(stuck_, stuck);
  limit_storage_threads(ring(), kMaxStorageThreads + stuck);
  if (!more) return;
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_nop(&sqe);
  io_uring_sqe_set_flags(&sqe, IOSQE_ASYNC);
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(&nudge_));
}

void UringLoop::submit_and_wait(bool may_block) {
  const int result = may_block ? io_uring_submit_and_wait(&ring(), 1)
                               : io_uring_submit_and_get_events(&ring());
  // Interrupted, or full for now: completions are collected, and the rest is submitted next turn.
  if (result < 0 && result != -EINTR && result != -EBUSY && result != -EAGAIN) {
    throw std::system_error(-result, std::system_category(), "waiting on io_uring");
  }
}

bool UringLoop::poll_once() {
  transfers_.submit();
  if (io_uring_sq_ready(&ring()) > 0) submit_and_wait(false);
  return io_uring_cq_ready(&ring()) > 0 || must_enter();
}

/// Deferred task work makes completions only inside a call, and the kernel flags when one is
/// needed.
bool UringLoop::must_enter() const noexcept {
  return (IO_URING_READ_ONCE(*ring().sq.kflags) &
          (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void UringLoop::wait(bool may_block) {
  transfers_.submit();
  if (may_block || io_uring_sq_ready(&ring()) > 0 || must_enter()) submit_and_wait(may_block);
  begin_turn();
  // All are collected before any is run, as what runs may submit and so change the queue.
  completed_.clear();
  unsigned head;
  io_uring_cqe* cqe;
  io_uring_for_each_cqe(&ring(), head, cqe) {
    completed_.emplace_back(static_cast<Completion*>(io_uring_cqe_get_data(cqe)), cqe->res);
  }
  io_uring_cq_advance(&ring(), static_cast<unsigned>(completed_.size()));
  for (const auto& [completion, result] : completed_) completion->completed(result);
}

UringLoop::Waker::Waker(UringLoop& loop) : loop_(loop), event_(::eventfd(0, EFD_CLOEXEC)) {
  if (!event_) throw std::system_error(errno, std::system_category(), "eventfd");
}

void UringLoop::Waker::arm() {
  io_uring_sqe& sqe = loop_.next_sqe();
  io_uring_prep_read(&sqe, event_.get(), &count_, sizeof count_, 0);
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(this));
}

void UringLoop::Waker::wake() noexcept {
  const uint64_t one = 1;
  // Fails only if the counter is full, and then the loop has been woken already.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

void UringLoop::Waker::completed(int) noexcept { arm(); }

void UringLoop::Alarm::arm(Clock::duration time) {
  const Clock::time_point due = loop_.turn_time() + time;
  if (due_ && *due_ <= due) return;
  const bool is_armed = std::exchange(due_, due).has_value();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  time_ = {.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(time - seconds).count()};
  io_uring_sqe& sqe = loop_.next_sqe();
  if (is_armed) {
    // One that ends meanwhile has woken the loop, which is as good.
    const auto alarm = reinterpret_cast<uintptr_t>(static_cast<Completion*>(this));
    io_uring_prep_timeout_update(&sqe, &time_, alarm, 0);
    io_uring_sqe_set_data(&sqe, static_cast<Completion*>(&loop_.nudge_));
  } else {
    io_uring_prep_timeout(&sqe, &time_, 0, 0);
    io_uring_sqe_set_data(&sqe, static_cast<Completion*>(this));
  }
}

}  // namespace tapring
