// SPDX-License-Identifier: MIT
// The Loop of production, on one io_uring: a single system call submits everything that a turn
// queued, and waits for the next turn.
#pragma once

#include <liburing.h>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "ring/loop.h"
#include "ring/registered_memory.h"
#include "ring/unique_fd.h"
#include "ring/uring.h"
#include "ring/uring_transfers.h"

namespace tapring {

/// Made and used on one thread, as the kernel is told that there is a single issuer.
class UringLoop : public Loop {
 public:
  /// Of the kernel, for what blocks: syncs, discards, allocation. Besides those that are stuck.
  static constexpr unsigned kMaxStorageThreads = 64;
  static constexpr unsigned kMaxStuckThreads = 4096;

  /// Submissions that fit in one system call.
  static constexpr unsigned kEntries = 512;

  /// Throws std::system_error: see Uring.
  explicit UringLoop(std::unique_ptr<Uring> uring = std::make_unique<Uring>(kEntries));
  ~UringLoop() override;

  /// For how long the kernel is asked again if it takes no submission.
  static constexpr std::chrono::milliseconds kSubmitPatience{100};

  /// A submission queue entry, for the caller to prepare and to io_uring_sqe_set_data(). Submits to
  /// make room. Throws std::system_error if the kernel takes no submission.
  io_uring_sqe& next_sqe();

  /// For read_fixed and write_fixed.
  RegisteredMemory& memory() noexcept { return memory_; }
  MemoryRegistry* memory_registry() noexcept override { return &memory_; }

  /// The reads and writes of all files.
  UringTransfers& transfers() noexcept { return transfers_; }

  std::unique_ptr<File> file(OpenFile file) override;
  void wake_after(Clock::duration time) override { alarm_.arm(time); }
  void expect_stuck(std::size_t requests) override;

  /// One awaitable submission. Prepare sqe() first, then co_await it; no other await between.
  class Submission final : public Completion {
   public:
    explicit Submission(UringLoop& loop) : loop_(loop), sqe_(loop.next_sqe()) {
      ++loop_.submissions_;
    }
    io_uring_sqe* sqe() noexcept { return &sqe_; }

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept {
      waiter_ = waiter;
      io_uring_sqe_set_data(&sqe_, static_cast<Completion*>(this));
    }
    int await_resume() const noexcept { return result_; }

    void completed(int result) noexcept override {
      --loop_.submissions_;
      result_ = result;
      waiter_.resume();
    }

   private:
    UringLoop& loop_;
    io_uring_sqe& sqe_;
    std::coroutine_handle<> waiter_;
    int result_ = 0;
  };

 private:
  /// Wakes the loop by an eventfd, of which it always has a read queued.
  class Waker final : public Completion {
   public:
    explicit Waker(UringLoop& loop);
    void arm();
    void wake() noexcept;
    void completed(int result) noexcept override;

   private:
    UringLoop& loop_;
    UniqueFd event_;
    uint64_t count_ = 0;
  };

  /// A timeout of the kernel, one at a time: the earliest that was asked for.
  class Alarm final : public Completion {
   public:
    explicit Alarm(UringLoop& loop) noexcept : loop_(loop) {}
    void arm(Clock::duration time);
    void completed(int /*result*/) noexcept override { due_.reset(); }

   private:
    UringLoop& loop_;
    __kernel_timespec time_{};
    std::optional<Clock::time_point> due_;
  };

  /// Of what is asked of the kernel, and nothing follows from it.
  class Nudge final : public Completion {
   public:
    void completed(int /*result*/) noexcept override {}
  };

  void wait(bool may_block) override;
  void wake() override { waker_.wake(); }
  bool poll_once() override;
  bool awaits_storage() const noexcept override {
    return submissions_ + transfers_.under_way() > 0;
  }
  void submit_and_wait(bool may_block);
  bool must_enter() const noexcept;

  io_uring& ring() noexcept { return uring_->get(); }
  const io_uring& ring() const noexcept { return uring_->get(); }

  std::unique_ptr<Uring> uring_;
  RegisteredMemory memory_;
  Waker waker_;
  Alarm alarm_{*this};
  Nudge nudge_;
  unsigned stuck_ = 0;
  UringTransfers transfers_{*this};
  std::size_t submissions_ = 0;  ///< that are awaited
  std::vector<std::pair<Completion*, int>> completed_;
};

}  // namespace tapring
