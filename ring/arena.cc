// SPDX-License-Identifier: MIT
#include "ring/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "ring/scratch_pages.h"

namespace tapring {
namespace {

constexpr signed char kNotFree = -1;
constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

std::span<std::byte> map_memory(std::size_t bytes) {
  // More than that, to begin at a boundary of huge pages; what is left over is unmapped at once.
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
  const std::span arena(static_cast<std::byte*>(memory), bytes);
  exclude_from_dumps(arena);
  return arena;
}

}  // namespace

Arena::Arena(std::size_t bytes)
    : memory_(map_memory(bytes)), free_order_(bytes / kPageBytes, kNotFree) {
  assert(bytes > 0 && bytes % kMaxBlockBytes == 0);
  // Room for as many as there can be: free() must not fail.
  for (unsigned order = 0; order <= kMaxOrder; ++order) {
    free_[order].reserve(bytes / bytes_of(order));
  }
  for (std::size_t offset = bytes; offset > 0; offset -= kMaxBlockBytes) {
    std::byte* block = memory_.data() + offset - kMaxBlockBytes;
    free_[kMaxOrder].push_back(block);
    free_order_[page_of(block)] = kMaxOrder;
  }
}

Arena::~Arena() {
  assert(bytes_in_use_ == 0);
  ::munmap(memory_.data(), memory_.size());
}

unsigned Arena::order_for(std::size_t bytes) noexcept {
  const std::size_t pages = (bytes + kPageBytes - 1) / kPageBytes;
  return static_cast<unsigned>(std::bit_width(std::max<std::size_t>(pages, 1) - 1));
}

std::byte* Arena::allocate(unsigned order) noexcept {
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
  bytes_in_use_ += bytes_of(order);
  return block;
}

void Arena::free(std::byte* block, unsigned order) noexcept {
  bytes_in_use_ -= bytes_of(order);
  while (order < kMaxOrder) {
    const std::size_t offset = static_cast<std::size_t>(block - memory_.data());
    std::byte* buddy = memory_.data() + (offset ^ bytes_of(order));
    if (free_order_[page_of(buddy)] != static_cast<signed char>(order)) break;
    std::erase(free_[order], buddy);
    free_order_[page_of(buddy)] = kNotFree;
    block = std::min(block, buddy);
    ++order;
  }
  free_[order].push_back(block);
  free_order_[page_of(block)] = static_cast<signed char>(order);
}

std::size_t Arena::page_of(const std::byte* data) const noexcept {
  return static_cast<std::size_t>(data - memory_.data()) / kPageBytes;
}

}  // namespace tapring
