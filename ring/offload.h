// SPDX-License-Identifier: MIT
// How a coroutine keeps its loop free for others: it lets them run before it goes on, or has
// another thread do what takes long.
#pragma once

#include <coroutine>
#include <functional>
#include <thread>
#include <utility>

#include "ring/executor.h"
#include "ring/loop.h"

namespace tapring {

/// `co_await Yield(loop)` goes on in a later turn of the loop: for long work that never waits.
class [[nodiscard]] Yield {
 public:
  explicit Yield(Loop& loop) noexcept : loop_(loop) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    loop_.post([waiter] { waiter.resume(); });
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
};

/// `co_await Offload(loop, work)` has the loop's helper do work that takes long but never hangs,
/// such as unpacking, and goes on on the loop.
class [[nodiscard]] Offload {
 public:
  /// `work` must not throw.
  Offload(Loop& loop, Work work) : loop_(loop), work_(std::move(work)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    loop_.helper().post([&loop = loop_, work = std::move(work_), waiter]() mutable {
      work();
      loop.post([waiter] { waiter.resume(); });
    });
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
  Work work_;
};

/// `co_await BlockingCall(home, call)` makes a system call that io_uring does not have and that may
/// hang, on a thread of its own, and gives its result on the thread of `home`. Throws
/// std::system_error where no thread can be had. Nothing but the caller bounds how many there are.
class BlockingCall {
 public:
  BlockingCall(Executor& home, std::move_only_function<int()> call) noexcept
      : home_(home), call_(std::move(call)) {}
  BlockingCall(const BlockingCall&) = delete;
  BlockingCall& operator=(const BlockingCall&) = delete;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    thread_ = std::thread([this, waiter] {
      result_ = call_();
      home_.post([waiter] { waiter.resume(); });
    });
  }
  int await_resume() {
    thread_.join();  // it may still be inside post(), which `home` must outlive
    return result_;
  }

 private:
  Executor& home_;
  std::move_only_function<int()> call_;
  std::thread thread_;
  int result_ = 0;
};

}  // namespace tapring
