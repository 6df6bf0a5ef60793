// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>
#include <coroutine>
#include <utility>
#include <vector>

#include "ring/loop.h"

namespace tapring {

/// Coroutines that wait until something has happened; each looks again for itself. One loop only.
class Waiters {
 public:
  class Wait {
   public:
    explicit Wait(Waiters& waiters) noexcept : waiters_(waiters) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) { waiters_.waiting_.push_back(waiter); }
    void await_resume() const noexcept {}

   private:
    Waiters& waiters_;
  };

  explicit Waiters(Loop& loop) noexcept : loop_(loop) {}
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;
  ~Waiters() { assert(waiting_.empty()); }

  Wait wait() noexcept { return Wait(*this); }

  void wake_all() {
    for (const std::coroutine_handle<> waiter : std::exchange(waiting_, {})) {
      loop_.resume_soon(waiter);
    }
  }

 private:
  Loop& loop_;
  std::vector<std::coroutine_handle<>> waiting_;
};

}  // namespace tapring
