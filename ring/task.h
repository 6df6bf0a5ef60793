// SPDX-License-Identifier: MIT
// Coroutines of the data path. A Task starts at once and is awaited where its result is needed; a
// Detached runs by itself and must be counted by a Gate. Eager, because g++ 12 does not turn the
// symmetric transfer of a lazy task into a tail call without optimisation.
#pragma once

#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "ring/frame_pool.h"

namespace tapring {

/// The result of a coroutine that has started. Await it once, and before destroying it.
///
/// Not for exceptions: per-request work returns an Error. One that escapes terminates.
template <typename T>
class [[nodiscard]] Task {
 public:
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (!handle_) return;
    assert(handle_.done());
    handle_.destroy();
  }

  bool await_ready() const noexcept { return handle_.done(); }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.promise().continuation = awaiting;
  }
  T await_resume() { return std::move(*handle_.promise().value); }

 private:
  explicit Task(Handle handle) noexcept : handle_(handle) {}

  Handle handle_;
};

template <typename T>
struct Task<T>::promise_type : PooledFrame {
  struct ResumeContinuation {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(Handle finished) const noexcept {
      return finished.promise().continuation;
    }
    void await_resume() const noexcept {}
  };

  Task get_return_object() noexcept { return Task(Handle::from_promise(*this)); }
  std::suspend_never initial_suspend() const noexcept { return {}; }
  ResumeContinuation final_suspend() const noexcept { return {}; }
  void return_value(T result) { value.emplace(std::move(result)); }
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }

  std::optional<T> value;
  std::coroutine_handle<> continuation = std::noop_coroutine();
};

/// A coroutine nobody awaits; its frame goes when it ends. Its first act is to enter a Gate.
struct Detached {
  struct promise_type : PooledFrame {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};

}  // namespace tapring
