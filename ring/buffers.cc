// SPDX-License-Identifier: MIT
#include "ring/buffers.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <utility>

namespace tapring {
namespace {

constexpr signed char kNotFree = -1;
constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

unsigned order_for(std::size_t bytes) noexcept {
  const std::size_t pages = (bytes + BufferPool::kPageBytes - 1) / BufferPool::kPageBytes;
  return static_cast<unsigned>(std::bit_width(std::max<std::size_t>(pages, 1) - 1));
}

constexpr std::size_t bytes_of(unsigned order) noexcept { return BufferPool::kPageBytes << order; }

std::span<std::byte> map_arena(std::size_t bytes) {
  // Room to begin at a huge page's boundary, which is given back; pages come when it is used.
  const std::size_t reserved = bytes + kHugePageBytes;
  void* memory =
      ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::system_category(), "allocating bounce memory");
  }
  auto* const begin = static_cast<std::byte*>(memory);
  const std::size_t head = -reinterpret_cast<uintptr_t>(memory) % kHugePageBytes;
  if (head > 0) ::munmap(begin, head);
  ::munmap(begin + head + bytes, kHugePageBytes - head);
  memory = begin + head;
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  // Guest data passes through: it has no place in a core dump.
  ::madvise(memory, bytes, MADV_DONTDUMP);
  return {static_cast<std::byte*>(memory), bytes};
}

}  // namespace

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(other.pool_), data_(std::exchange(other.data_, nullptr)), order_(other.order_) {}

Buffer::~Buffer() {
  if (data_ != nullptr) pool_->give_back(data_, order_);
}

BufferPool::BufferPool(Loop& loop, std::size_t arena_bytes)
    : loop_(loop), arena_(map_arena(arena_bytes)), free_order_(arena_bytes / kPageBytes, kNotFree) {
  assert(arena_bytes > 0 && arena_bytes % kMaxBufferBytes == 0);
  for (std::size_t offset = arena_bytes; offset > 0; offset -= kMaxBufferBytes) {
    std::byte* block = arena_.data() + offset - kMaxBufferBytes;
    free_[kMaxOrder].push_back(block);
    free_order_[page_of(block)] = kMaxOrder;
  }
}

BufferPool::~BufferPool() {
  assert(lent_bytes_ == 0 && waiters_.empty());
  ::munmap(arena_.data(), arena_.size());
}

BufferPool::Acquire::Acquire(BufferPool& pool, std::size_t bytes) noexcept
    : pool_(pool), order_(order_for(bytes)) {
  assert(bytes <= kMaxBufferBytes);
}

bool BufferPool::Acquire::await_ready() noexcept {
  if (pool_.waiters_.empty()) data_ = pool_.take(order_);
  return data_ != nullptr;
}

void BufferPool::Acquire::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  pool_.waiters_.push_back(this);
}

std::byte* BufferPool::take(unsigned order) noexcept {
  unsigned found = order;
  while (found <= kMaxOrder && free_[found].empty()) ++found;
  if (found > kMaxOrder) return nullptr;
  std::byte* block = free_[found].back();
  free_[found].pop_back();
  free_order_[page_of(block)] = kNotFree;
  while (found > order) {
    --found;
    std::byte* upper_half = block + bytes_of(found);
    free_[found].push_back(upper_half);
    free_order_[page_of(upper_half)] = static_cast<signed char>(found);
  }
  lent_bytes_ += bytes_of(order);
  return block;
}

void BufferPool::give_back(std::byte* block, unsigned order) noexcept {
  lent_bytes_ -= bytes_of(order);
  while (order < kMaxOrder) {
    const std::size_t offset = static_cast<std::size_t>(block - arena_.data());
    std::byte* buddy = arena_.data() + (offset ^ bytes_of(order));
    if (free_order_[page_of(buddy)] != static_cast<signed char>(order)) break;
    std::erase(free_[order], buddy);
    free_order_[page_of(buddy)] = kNotFree;
    block = std::min(block, buddy);
    ++order;
  }
  free_[order].push_back(block);
  free_order_[page_of(block)] = static_cast<signed char>(order);
  serve_waiters();
}

void BufferPool::serve_waiters() noexcept {
  while (!waiters_.empty()) {
    Acquire& first = *waiters_.front();
    first.data_ = take(first.order_);
    if (first.data_ == nullptr) return;
    waiters_.pop_front();
    loop_.resume_soon(first.waiter_);
  }
}

std::size_t BufferPool::page_of(const std::byte* data) const noexcept {
  return static_cast<std::size_t>(data - arena_.data()) / kPageBytes;
}

}  // namespace tapring
