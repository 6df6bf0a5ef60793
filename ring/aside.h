// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>
#include <utility>

#include "ring/loop.h"

namespace tapring {

/// `co_await Aside(loop, work)`: `work` is run by the loop's helper, for which no other request of
/// the loop waits; then the coroutine goes on, on the loop.
class [[nodiscard]] Aside {
 public:
  /// `work` must not throw.
  Aside(Loop& loop, Work work) : loop_(loop), work_(std::move(work)) {}

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

}  // namespace tapring
