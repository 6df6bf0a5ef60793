// SPDX-License-Identifier: MIT
// Bounce memory: where a request's data lies between the guest and the file. Each loop has one
// arena, page-aligned for O_DIRECT, which takes as much memory as its disks need and tells io_uring
// of it. Each disk of the loop has a quota of it, which bounds what the disk has in flight at the
// storage.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "ring/growing_arena.h"
#include "ring/loop.h"

namespace tapring {

class BufferPool;
class BufferQuota;

/// Memory allocated from a quota; freed when destroyed.
class Buffer {
 public:
  Buffer(BufferQuota& quota, std::byte* data, unsigned order) noexcept
      : quota_(&quota), data_(data), order_(order) {}
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&&) = delete;
  ~Buffer();

  /// Aligned to a page.
  std::byte* data() const noexcept { return data_; }

 private:
  BufferQuota* quota_;
  std::byte* data_;
  unsigned order_;
};

/// Awaits memory: the waiters of a quota are served in the order they came.
class AcquireBuffer {
 public:
  AcquireBuffer(BufferQuota& quota, std::size_t bytes) noexcept;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  Buffer await_resume() noexcept { return Buffer(quota_, data_, order_); }

 private:
  friend class BufferPool;
  BufferQuota& quota_;
  unsigned order_;
  std::byte* data_ = nullptr;
  std::coroutine_handle<> waiter_;
};

/// What one user may have of a pool. The pool outlives it, and it outlives its buffers.
class BufferQuota {
 public:
  explicit BufferQuota(BufferPool& pool) noexcept : pool_(pool) {}
  BufferQuota(const BufferQuota&) = delete;
  BufferQuota& operator=(const BufferQuota&) = delete;
  ~BufferQuota();

  /// Memory for `bytes`, at most BufferPool::kMaxBufferBytes.
  AcquireBuffer acquire(std::size_t bytes) noexcept { return AcquireBuffer(*this, bytes); }

  std::size_t bytes_in_use() const noexcept { return bytes_in_use_; }

  /// The storage keeps what this has: meanwhile it gets no more, and others get as much elsewhere.
  void set_stalled(bool stalled) noexcept;

 private:
  friend class Buffer;
  friend class BufferPool;
  friend class AcquireBuffer;

  BufferPool& pool_;
  std::size_t bytes_in_use_ = 0;
  std::deque<AcquireBuffer*> waiters_;
  Loop::Clock::time_point last_used_;
  bool active_ = false;
  bool stalled_ = false;
};

/// Allocates from an arena, in turn to the quotas with waiters. One thread only.
///
/// For what stalled quotas have there is other memory: so at most kContendedBytes for each of them
/// besides the arena, as it is among others.
class BufferPool final : private Batch {
 public:
  /// The largest buffer: the data of a request with 256 segments of a page each.
  static constexpr std::size_t kMaxBufferBytes = Arena::kMaxBlockBytes;
  /// While several quotas are active, each is at most this: enough to keep the storage busy, and
  /// little enough that a neighbour's small request does not wait long behind it.
  static constexpr std::size_t kContendedBytes = 2 * kMaxBufferBytes;
  /// What one alone leaves of a large arena, for the first request of another.
  static constexpr std::size_t kReservedBytes = kContendedBytes;
  /// A quota that asked for nothing this long is not active.
  static constexpr std::chrono::milliseconds kActive{10};
  /// Memory that was not needed for so long is given back, but for the first step.
  static constexpr std::chrono::seconds kKept{5};

  /// `arena_bytes`: there may be at most, a multiple of kMaxBufferBytes. Throws std::system_error.
  BufferPool(Loop& loop, std::size_t arena_bytes);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  std::size_t bytes_in_use() const noexcept { return arena_.bytes_in_use(); }
  /// Of the arena.
  std::size_t bytes_taken() const noexcept { return arena_.steps_taken() * Arena::kStepBytes; }

 private:
  friend class Buffer;
  friend class BufferQuota;
  friend class AcquireBuffer;

  bool flush() override;
  std::byte* try_allocate(BufferQuota& quota, unsigned order);
  std::byte* allocate(BufferQuota& quota, unsigned order) noexcept;
  bool is_within(const BufferQuota& quota, unsigned order) const noexcept;
  std::size_t bound() const noexcept;
  void set_stalled(BufferQuota& quota, bool stalled) noexcept;
  void free(BufferQuota& quota, std::byte* data, unsigned order) noexcept;
  void serve_waiters() noexcept;
  void mark_active(BufferQuota& quota);
  void forget_idle();
  void remove(BufferQuota& quota) noexcept;

  Loop& loop_;
  GrowingArena arena_;
  std::deque<BufferQuota*> waiting_;  ///< quotas with waiters; the first is served next
  std::vector<BufferQuota*> active_;
  std::size_t stalled_bytes_ = 0;  ///< what the stalled ones have
  Loop::Clock::time_point idle_forgotten_;
  std::size_t most_in_use_ = 0;  ///< bytes, since the last look at what is kept
  Loop::Clock::time_point next_look_;
};

}  // namespace tapring
