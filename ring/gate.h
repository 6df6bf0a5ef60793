// SPDX-License-Identifier: MIT
// What stopping waits for: the last of the coroutines that run by themselves.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include "ring/loop.h"

namespace tapring {

/// Counts the coroutines inside; one other may await that all have left. One thread only.
class Gate {
 public:
  /// Held by a coroutine for as long as it runs.
  class Pass {
   public:
    explicit Pass(Gate& gate) noexcept : gate_(&gate) { ++gate.inside_; }
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->leave();
    }

   private:
    Gate* gate_;
  };

  /// Suspends until nobody is inside.
  class Emptied {
   public:
    explicit Emptied(Gate& gate) noexcept : gate_(gate) {}
    bool await_ready() const noexcept { return gate_.inside_ == 0; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { gate_.waiter_ = waiter; }
    void await_resume() const noexcept {}

   private:
    Gate& gate_;
  };

  explicit Gate(Loop& loop) noexcept : loop_(loop) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  /// Who is still inside would go on in memory that is freed.
  ~Gate() {
    if (inside_ > 0) std::abort();
  }

  Pass enter() noexcept { return Pass(*this); }
  Emptied emptied() noexcept { return Emptied(*this); }
  std::size_t inside() const noexcept { return inside_; }

 private:
  void leave() noexcept {
    // The waiter resumes from the loop: the one who leaves still has its frame to unwind.
    if (--inside_ == 0 && waiter_) loop_.resume_soon(std::exchange(waiter_, nullptr));
  }

  Loop& loop_;
  std::size_t inside_ = 0;
  std::coroutine_handle<> waiter_;
};

}  // namespace tapring
