// SPDX-License-Identifier: MIT
// What io_uring cannot do: a system call that blocks, on a thread of its own.
#pragma once

#include <coroutine>
#include <functional>
#include <thread>
#include <utility>

#include "ring/executor.h"

namespace tapring {

/// co_await runs `call` and gives its result on the thread of `home`. Throws std::system_error
/// where no thread can be had. Nothing bounds their number but whoever awaits.
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
    thread_.join();  // at its end, but perhaps still in post(): `home` must outlive that
    return result_;
  }

 private:
  Executor& home_;
  std::move_only_function<int()> call_;
  std::thread thread_;
  int result_ = 0;
};

}  // namespace tapring
