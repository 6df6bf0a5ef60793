// SPDX-License-Identifier: MIT
// Memory for coroutine frames: a request of the data path must not pay for malloc.
#pragma once

#include <cstddef>

namespace tapring {

/// Frees of one thread are its next allocations of the same size class; large frames go to the
/// heap. Sanitizer builds always use the heap, so that a use after free is seen.
void* allocate_frame(std::size_t bytes);
void free_frame(void* frame, std::size_t bytes) noexcept;

/// Base of every promise type: puts the coroutine's frame into the pool.
struct PooledFrame {
  static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { free_frame(frame, bytes); }
};

}  // namespace tapring
