// SPDX-License-Identifier: MIT
// Bounce memory: what a request's data lies in between the guest and the file. One arena a loop,
// page-aligned for O_DIRECT, so that it can be registered with io_uring as a whole.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "ring/loop.h"

namespace tapring {

class BufferPool;

/// Memory lent by a BufferPool; goes back when destroyed.
class Buffer {
 public:
  Buffer(BufferPool& pool, std::byte* data, unsigned order) noexcept
      : pool_(&pool), data_(data), order_(order) {}
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&&) = delete;
  ~Buffer();

  /// Aligned to kPageBytes.
  std::byte* data() const noexcept { return data_; }

 private:
  BufferPool* pool_;
  std::byte* data_;
  unsigned order_;
};

/// Lends page-aligned memory from an arena, a power of two of pages at a time. One thread only.
class BufferPool {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr unsigned kMaxOrder = 8;
  /// The largest buffer: the data of a request with 256 segments of a page each.
  static constexpr std::size_t kMaxBufferBytes = kPageBytes << kMaxOrder;

  /// `arena_bytes`: a multiple of kMaxBufferBytes. Throws std::system_error.
  BufferPool(Loop& loop, std::size_t arena_bytes);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  /// Awaits memory for `bytes` (at most kMaxBufferBytes); who asked first is served first.
  class Acquire {
   public:
    Acquire(BufferPool& pool, std::size_t bytes) noexcept;
    bool await_ready() noexcept;
    void await_suspend(std::coroutine_handle<> waiter);
    Buffer await_resume() noexcept { return Buffer(pool_, data_, order_); }

   private:
    friend class BufferPool;
    BufferPool& pool_;
    unsigned order_;
    std::byte* data_ = nullptr;
    std::coroutine_handle<> waiter_;
  };
  Acquire acquire(std::size_t bytes) noexcept { return Acquire(*this, bytes); }

  /// All of the memory, to register it.
  std::span<std::byte> arena() const noexcept { return arena_; }
  std::size_t lent_bytes() const noexcept { return lent_bytes_; }

 private:
  friend class Buffer;
  std::byte* take(unsigned order) noexcept;
  void give_back(std::byte* data, unsigned order) noexcept;
  void serve_waiters() noexcept;
  std::size_t page_of(const std::byte* data) const noexcept;

  Loop& loop_;
  std::span<std::byte> arena_;
  std::size_t lent_bytes_ = 0;
  /// Free blocks by order (buddy system), and for each page the order of the free block that
  /// starts there.
  std::array<std::vector<std::byte*>, kMaxOrder + 1> free_;
  std::vector<signed char> free_order_;
  std::deque<Acquire*> waiters_;
};

}  // namespace tapring
