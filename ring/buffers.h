// SPDX-License-Identifier: MIT
// Bounce memory: what a request's data lies in between the guest and the file. One arena a loop,
// page-aligned for O_DIRECT, so that it can be registered with io_uring as a whole. Its users, the
// disks of the loop, get fair shares: it bounds what each has in flight at the storage.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "ring/arena.h"
#include "ring/loop.h"

namespace tapring {

class BufferPool;
class BufferShare;

/// Memory lent to a share; goes back when destroyed.
class Buffer {
 public:
  Buffer(BufferShare& share, std::byte* data, unsigned order) noexcept
      : share_(&share), data_(data), order_(order) {}
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&&) = delete;
  ~Buffer();

  /// Aligned to a page.
  std::byte* data() const noexcept { return data_; }

 private:
  BufferShare* share_;
  std::byte* data_;
  unsigned order_;
};

/// Awaits memory; who asked first of a share is served first.
class AcquireBuffer {
 public:
  AcquireBuffer(BufferShare& share, std::size_t bytes) noexcept;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  Buffer await_resume() noexcept { return Buffer(share_, data_, order_); }

 private:
  friend class BufferPool;
  BufferShare& share_;
  unsigned order_;
  std::byte* data_ = nullptr;
  std::coroutine_handle<> waiter_;
};

/// What one user has of a pool. The pool outlives it, and it what it lends.
class BufferShare {
 public:
  explicit BufferShare(BufferPool& pool) noexcept : pool_(pool) {}
  BufferShare(const BufferShare&) = delete;
  BufferShare& operator=(const BufferShare&) = delete;
  ~BufferShare();

  /// Memory for `bytes`, at most BufferPool::kMaxBufferBytes.
  AcquireBuffer acquire(std::size_t bytes) noexcept { return AcquireBuffer(*this, bytes); }

  std::size_t lent_bytes() const noexcept { return lent_bytes_; }

 private:
  friend class Buffer;
  friend class BufferPool;
  friend class AcquireBuffer;

  BufferPool& pool_;
  std::size_t lent_bytes_ = 0;
  std::deque<AcquireBuffer*> waiters_;
  Loop::Clock::time_point last_used_;
  bool active_ = false;
};

/// Lends memory of an arena, in turn to those who wait. One thread only.
class BufferPool {
 public:
  static constexpr std::size_t kPageBytes = Arena::kPageBytes;
  /// The largest buffer: the data of a request with 256 segments of a page each.
  static constexpr std::size_t kMaxBufferBytes = Arena::kMaxBlockBytes;
  /// While others are active too, a share has at most this: enough for the storage to be busy,
  /// little enough for a neighbour's small request not to wait long behind it.
  static constexpr std::size_t kContendedBytes = 2 * kMaxBufferBytes;
  /// A share that asked for nothing this long is not active.
  static constexpr std::chrono::milliseconds kActive{10};

  /// `arena_bytes`: a multiple of kMaxBufferBytes. Throws std::system_error.
  BufferPool(Loop& loop, std::size_t arena_bytes) : loop_(loop), arena_(arena_bytes) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  /// All of the memory, to register it.
  std::span<std::byte> arena() const noexcept { return arena_.memory(); }
  std::size_t lent_bytes() const noexcept { return arena_.lent_bytes(); }

 private:
  friend class Buffer;
  friend class BufferShare;
  friend class AcquireBuffer;

  std::byte* lend_now(BufferShare& share, unsigned order);
  std::byte* lend(BufferShare& share, unsigned order) noexcept;
  bool may_have(const BufferShare& share, unsigned order) const noexcept;
  void give_back(BufferShare& share, std::byte* data, unsigned order) noexcept;
  void serve_waiters() noexcept;
  void note_use(BufferShare& share);
  void forget_idle();
  void leave(BufferShare& share) noexcept;

  Loop& loop_;
  Arena arena_;
  std::deque<BufferShare*> waiting_;  ///< shares with waiters; the first is served next
  std::vector<BufferShare*> active_;
  Loop::Clock::time_point idle_forgotten_;
};

}  // namespace tapring
