// SPDX-License-Identifier: MIT
// The Loop of production, on one io_uring: a single system call submits everything that a turn
// queued, and waits for the next turn.
#pragma once

#include <liburing.h>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ring/loop.h"
#include "ring/unique_fd.h"
#include "ring/uring_transfers.h"

namespace tapring {

/// Made and used on one thread, as the kernel is told that there is a single issuer.
class UringLoop : public Loop {
 public:
  /// Of the kernel, for what blocks: syncs, discards, allocation. Besides those that are stuck.
  static constexpr unsigned kMaxStorageThreads = 64;
  static constexpr unsigned kMaxStuckThreads = 4096;

  /// io_uring registers at most this much as one buffer.
  static constexpr std::size_t kMaxRegisteredBytes = std::size_t{1} << 30;

  /// `entries`: how many submissions fit in one system call. Throws std::system_error that says
  /// what to do about it, also where the kernel is older than Linux 6.1.
  explicit UringLoop(unsigned entries = 512);
  ~UringLoop() override;

  /// For how long the kernel is asked again if it takes no submission.
  static constexpr std::chrono::milliseconds kSubmitPatience{100};

  /// A submission queue entry, for the caller to prepare and to io_uring_sqe_set_data(). Submits to
  /// make room. Throws std::system_error if the kernel takes no submission.
  io_uring_sqe& next_sqe();

  /// Registers memory for read_fixed and write_fixed, which saves the kernel from pinning its pages
  /// for each request. False, with errno set, where the kernel refuses; all works without, too.
  bool register_memory(std::span<std::byte> memory);

  /// The index of the registered buffer that contains all of `data`; nullopt if none does.
  std::optional<int> registered_buffer(const void* data, std::size_t bytes) const noexcept;

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

  /// A timeout of the kernel, one at a time.
  class Alarm final : public Completion {
   public:
    explicit Alarm(UringLoop& loop) noexcept : loop_(loop) {}
    void arm(Clock::duration time);
    void completed(int /*result*/) noexcept override { is_armed_ = false; }

   private:
    UringLoop& loop_;
    __kernel_timespec time_{};
    bool is_armed_ = false;
  };

  /// Something new for the kernel's threads, which is nothing.
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

  struct Ring {
    explicit Ring(unsigned entries);
    ~Ring() { io_uring_queue_exit(&uring); }
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    io_uring uring{};
  };

  Ring ring_;
  Waker waker_;
  Alarm alarm_{*this};
  Nudge nudge_;
  unsigned stuck_ = 0;
  UringTransfers transfers_{*this};
  std::span<std::byte> registered_;
  std::size_t submissions_ = 0;  ///< that are awaited
  std::vector<std::pair<Completion*, int>> completed_;
};

}  // namespace tapring
