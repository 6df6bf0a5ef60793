// SPDX-License-Identifier: MIT
// Memory for coroutine frames: a request of the data path must not pay for malloc.
#pragma once

#include <cstddef>
#include <new>

namespace tapring {

/// A frame that a thread frees is kept for the thread's next one of the same size class; large
/// frames go to the heap. So do all frames in sanitizer builds, to find uses after free. nullptr
/// where there is no memory.
void* allocate_frame(std::size_t bytes) noexcept;
void free_frame(void* frame, std::size_t bytes) noexcept;

/// Base of every promise type: puts the coroutine's frame into the pool. Where there is no memory
/// the promise's get_return_object_on_allocation_failure() says what becomes of the call.
struct PooledFrame {
  // In that case clang calls the operator with std::nothrow, g++ 12 the other one.
  static void* operator new(std::size_t bytes) noexcept { return allocate_frame(bytes); }
  static void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate_frame(bytes);
  }
  static void operator delete(void* frame, std::size_t bytes) noexcept { free_frame(frame, bytes); }
};

}  // namespace tapring
