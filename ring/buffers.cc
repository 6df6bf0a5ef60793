// SPDX-License-Identifier: MIT
#include "ring/buffers.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tapring {

Buffer::Buffer(Buffer&& other) noexcept
    : share_(other.share_), data_(std::exchange(other.data_, nullptr)), order_(other.order_) {}

Buffer::~Buffer() {
  if (data_ != nullptr) share_->pool_.give_back(*share_, data_, order_);
}

AcquireBuffer::AcquireBuffer(BufferShare& share, std::size_t bytes) noexcept
    : share_(share), order_(Arena::order_for(bytes)) {
  assert(bytes <= BufferPool::kMaxBufferBytes);
}

bool AcquireBuffer::await_ready() {
  data_ = share_.pool_.lend_now(share_, order_);
  return data_ != nullptr;
}

void AcquireBuffer::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  const bool first = share_.waiters_.empty();
  share_.waiters_.push_back(this);
  if (!first) return;
  try {
    share_.pool_.waiting_.push_back(&share_);
  } catch (...) {
    share_.waiters_.pop_back();
    throw;
  }
}

BufferShare::~BufferShare() {
  assert(lent_bytes_ == 0 && waiters_.empty());
  pool_.leave(*this);
}

BufferPool::~BufferPool() {
  assert(waiting_.empty() && active_.empty());
}

/// Who comes now must not overtake who waits for memory, but may those who only have their share.
std::byte* BufferPool::lend_now(BufferShare& share, unsigned order) {
  note_use(share);
  if (!share.waiters_.empty() || !may_have(share, order)) return nullptr;
  const bool memory_is_awaited = std::ranges::any_of(waiting_, [this](const BufferShare* waiting) {
    return may_have(*waiting, waiting->waiters_.front()->order_);
  });
  return memory_is_awaited ? nullptr : lend(share, order);
}

std::byte* BufferPool::lend(BufferShare& share, unsigned order) noexcept {
  std::byte* data = arena_.take(order);
  if (data != nullptr) share.lent_bytes_ += Arena::bytes_of(order);
  return data;
}

bool BufferPool::may_have(const BufferShare& share, unsigned order) const noexcept {
  return active_.size() <= 1 || share.lent_bytes_ + Arena::bytes_of(order) <= kContendedBytes;
}

void BufferPool::give_back(BufferShare& share, std::byte* data, unsigned order) noexcept {
  share.lent_bytes_ -= Arena::bytes_of(order);
  arena_.give_back(data, order);
  if (!waiting_.empty()) serve_waiters();
}

/// One buffer a share in turn. The first that only lacks memory keeps its place, so that small
/// requests cannot starve a large one.
void BufferPool::serve_waiters() noexcept {
  for (std::size_t passed_over = 0; passed_over < waiting_.size();) {
    BufferShare& share = *waiting_.front();
    AcquireBuffer& first = *share.waiters_.front();
    if (may_have(share, first.order_)) {
      first.data_ = lend(share, first.order_);
      if (first.data_ == nullptr) return;
      share.waiters_.pop_front();
      loop_.resume_soon(first.waiter_);
      passed_over = 0;
    } else {
      ++passed_over;
    }
    // To the end of the line: its place is there already.
    std::ranges::rotate(waiting_, waiting_.begin() + 1);
    if (share.waiters_.empty()) waiting_.pop_back();
  }
}

void BufferPool::note_use(BufferShare& share) {
  const Loop::Clock::time_point now = loop_.turn_time();
  share.last_used_ = now;
  if (!share.active_) active_.push_back(&share);
  share.active_ = true;
  if (active_.size() > 1 && now - idle_forgotten_ >= kActive) {
    idle_forgotten_ = now;
    forget_idle();
  }
}

void BufferPool::forget_idle() {
  std::erase_if(active_, [this](BufferShare* share) {
    const bool idle = share->lent_bytes_ == 0 && share->waiters_.empty() &&
                      loop_.turn_time() - share->last_used_ >= kActive;
    if (idle) share->active_ = false;
    return idle;
  });
}

void BufferPool::leave(BufferShare& share) noexcept {
  if (std::exchange(share.active_, false)) std::erase(active_, &share);
}

}  // namespace tapring
