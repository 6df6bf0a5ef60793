// SPDX-License-Identifier: MIT
// Coroutines of the data path. A Task starts at once and is awaited where its result is needed; a
// Detached is awaited by nobody and must be in a TaskGroup. Tasks are eager because g++ 12, without
// optimisation, does not turn the symmetric transfer of a lazy task into a tail call.
#pragma once

#include <cassert>
#include <coroutine>
#include <exception>
#include <expected>
#include <new>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "ring/error.h"
#include "ring/frame_pool.h"

namespace tapring {

/// The result of a task that an exception or a lack of memory ended, as a value of its type. To be
/// specialised for types that are not made from an Error.
template <typename T>
struct FailedTask {
  static T with(Error error) noexcept {
    if constexpr (std::is_constructible_v<T, Error>) {
      return T(error);
    } else {
      std::terminate();
    }
  }
};

template <typename T>
struct FailedTask<Result<T>> {
  static Result<T> with(Error error) noexcept { return std::unexpected(error); }
};

/// The Error of the exception that is being handled, if it is std::bad_alloc or std::system_error;
/// others end the process.
inline Error error_of_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  } catch (const std::system_error& error) {
    return error.code();
  }
}

/// The result of a coroutine that has started. Await it once, and before destroying it.
///
/// Per-request work returns an Error, and lack of memory is one of them: where there is none for
/// the coroutine's frame, or for its work, the task ends with errc::not_enough_memory.
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

  bool await_ready() const noexcept { return !handle_ || handle_.done(); }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.promise().continuation = awaiting;
  }
  T await_resume() {
    if (!handle_) return FailedTask<T>::with(std::make_error_code(std::errc::not_enough_memory));
    return std::move(*handle_.promise().value);
  }

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
  static Task get_return_object_on_allocation_failure() noexcept { return Task(Handle()); }
  std::suspend_never initial_suspend() const noexcept { return {}; }
  ResumeContinuation final_suspend() const noexcept { return {}; }
  void return_value(T result) { value.emplace(std::move(result)); }
  void unhandled_exception() noexcept {
    value.emplace(FailedTask<T>::with(error_of_exception()));
  }

  std::optional<T> value;
  std::coroutine_handle<> continuation = std::noop_coroutine();
};

/// A coroutine that nobody awaits; its frame is freed when it ends. Its first act is to enter a
/// TaskGroup.
struct Detached {
  bool begun = true;  ///< false where there was no memory for its frame: then nothing was done

  struct promise_type : PooledFrame {
    Detached get_return_object() const noexcept { return {}; }
    static Detached get_return_object_on_allocation_failure() noexcept { return {false}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};

}  // namespace tapring
