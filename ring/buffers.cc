// SPDX-License-Identifier: MIT
#include "ring/buffers.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tapring {

Buffer::Buffer(Buffer&& other) noexcept
    : quota_(other.quota_), data_(std::exchange(other.data_, nullptr)), order_(other.order_) {}

Buffer::~Buffer() {
  if (data_ != nullptr) quota_->pool_.free(*quota_, data_, order_);
}

AcquireBuffer::AcquireBuffer(BufferQuota& quota, std::size_t bytes) noexcept
    : quota_(quota), order_(Arena::order_for(bytes)) {
  assert(bytes <= BufferPool::kMaxBufferBytes);
}

bool AcquireBuffer::await_ready() {
  data_ = quota_.pool_.try_allocate(quota_, order_);
  return data_ != nullptr;
}

void AcquireBuffer::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  const bool first = quota_.waiters_.empty();
  quota_.waiters_.push_back(this);
  if (!first) return;
  try {
    quota_.pool_.waiting_.push_back(&quota_);
  } catch (...) {
    quota_.waiters_.pop_back();
    throw;
  }
}

void BufferQuota::set_stalled(bool stalled) noexcept {
  if (stalled != stalled_) pool_.set_stalled(*this, stalled);
}

BufferQuota::~BufferQuota() {
  set_stalled(false);
  assert(bytes_in_use_ == 0 && waiters_.empty());
  pool_.remove(*this);
}

BufferPool::BufferPool(Loop& loop, std::size_t arena_bytes)
    : loop_(loop), arena_(arena_bytes, loop.memory_registry()) {
  loop_.add_batch(*this);
}

BufferPool::~BufferPool() {
  assert(waiting_.empty() && active_.empty());
  loop_.remove_batch(*this);
}

/// Now and then gives back what was not needed since the last time.
bool BufferPool::flush() {
  if (arena_.steps_taken() <= 1) return false;
  const Loop::Clock::time_point now = loop_.turn_time();
  if (now >= next_look_) {
    const std::size_t needed = (most_in_use_ + Arena::kStepBytes - 1) / Arena::kStepBytes;
    arena_.give_back(std::max<std::size_t>(needed, 1));
    most_in_use_ = arena_.bytes_in_use();
    next_look_ = now + kKept;
  }
  if (arena_.steps_taken() > 1) loop_.wake_after(next_look_ - now);
  return false;
}

/// A new request must not overtake waiters for arena memory; it may overtake those that only wait
/// for their own quota.
std::byte* BufferPool::try_allocate(BufferQuota& quota, unsigned order) {
  mark_active(quota);
  if (!quota.waiters_.empty() || !is_within(quota, order)) return nullptr;
  const bool memory_is_awaited = std::ranges::any_of(waiting_, [this](const BufferQuota* waiting) {
    return is_within(*waiting, waiting->waiters_.front()->order_);
  });
  return memory_is_awaited ? nullptr : allocate(quota, order);
}

std::byte* BufferPool::allocate(BufferQuota& quota, unsigned order) noexcept {
  std::byte* data = arena_.allocate(order);
  if (data == nullptr) return nullptr;
  quota.bytes_in_use_ += Arena::bytes_of(order);
  most_in_use_ = std::max(most_in_use_, arena_.bytes_in_use());
  return data;
}

bool BufferPool::is_within(const BufferQuota& quota, unsigned order) const noexcept {
  return !quota.stalled_ && quota.bytes_in_use_ + Arena::bytes_of(order) <= bound();
}

std::size_t BufferPool::bound() const noexcept {
  if (active_.size() > 1) return kContendedBytes;
  const std::size_t all = arena_.memory().size();
  return all >= 2 * kReservedBytes ? all - kReservedBytes : all;
}

void BufferPool::set_stalled(BufferQuota& quota, bool stalled) noexcept {
  quota.stalled_ = stalled;
  if (stalled) {
    stalled_bytes_ += quota.bytes_in_use_;
  } else {
    stalled_bytes_ -= quota.bytes_in_use_;
  }
  arena_.allow_more(stalled_bytes_);
  if (!waiting_.empty()) serve_waiters();
}

void BufferPool::free(BufferQuota& quota, std::byte* data, unsigned order) noexcept {
  const std::size_t bytes = Arena::bytes_of(order);
  quota.bytes_in_use_ -= bytes;
  arena_.free(data, order);
  if (quota.stalled_) {
    stalled_bytes_ -= bytes;
    arena_.allow_more(stalled_bytes_);
  }
  if (!waiting_.empty()) serve_waiters();
}

/// One buffer for each quota in turn. A waiter within its quota that the arena has no block for
/// keeps its place, and nobody behind it is served, so that small requests cannot starve a large
/// one.
void BufferPool::serve_waiters() noexcept {
  for (std::size_t passed_over = 0; passed_over < waiting_.size();) {
    BufferQuota& quota = *waiting_.front();
    AcquireBuffer& first = *quota.waiters_.front();
    if (is_within(quota, first.order_)) {
      first.data_ = allocate(quota, first.order_);
      if (first.data_ == nullptr) return;
      quota.waiters_.pop_front();
      loop_.resume_soon(first.waiter_);
      passed_over = 0;
    } else {
      ++passed_over;
    }
    // To the end of the line. A rotation, as it needs no memory.
    std::ranges::rotate(waiting_, waiting_.begin() + 1);
    if (quota.waiters_.empty()) waiting_.pop_back();
  }
}

void BufferPool::mark_active(BufferQuota& quota) {
  const Loop::Clock::time_point now = loop_.turn_time();
  quota.last_used_ = now;
  if (!quota.active_) active_.push_back(&quota);
  quota.active_ = true;
  if (active_.size() > 1 && now - idle_forgotten_ >= kActive) {
    idle_forgotten_ = now;
    forget_idle();
  }
}

void BufferPool::forget_idle() {
  std::erase_if(active_, [this](BufferQuota* quota) {
    const bool idle = quota->bytes_in_use_ == 0 && quota->waiters_.empty() &&
                      loop_.turn_time() - quota->last_used_ >= kActive;
    if (idle) quota->active_ = false;
    return idle;
  });
}

void BufferPool::remove(BufferQuota& quota) noexcept {
  if (std::exchange(quota.active_, false)) std::erase(active_, &quota);
}

}  // namespace tapring
