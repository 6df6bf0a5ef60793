// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>

#include "ring/loop.h"

namespace tapring {

/// `co_await NextTurn(loop)`: goes on in a later turn of the loop it runs on. Long work that waits
/// for nothing lets others in by it.
class [[nodiscard]] NextTurn {
 public:
  explicit NextTurn(Loop& loop) noexcept : loop_(loop) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    loop_.post([waiter] { waiter.resume(); });
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
};

}  // namespace tapring
