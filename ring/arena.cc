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
static_assert(Arena::kStepBytes == kHugePageBytes);

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

Arena::Arena(std::size_t bytes, MemoryRegistry* registry)
    : memory_(map_memory(bytes)),
      registry_(registry),
      steps_((bytes + kStepBytes - 1) / kStepBytes),
      free_order_(bytes / kPageBytes, kNotFree) {
  assert(bytes > 0 && bytes % kMaxBlockBytes == 0);
  // Room for as many as there can be: free() must not fail.
  for (unsigned order = 0; order <= kMaxOrder; ++order) {
    free_[order].reserve(bytes / bytes_of(order));
  }
  if (registry_ != nullptr) registry_->reserve(memory_, kStepBytes);
  take_step();
}

Arena::~Arena() {
  assert(bytes_in_use_ == 0);
  give_back(0);
  ::munmap(memory_.data(), memory_.size());
}

unsigned Arena::order_for(std::size_t bytes) noexcept {
  const std::size_t pages = (bytes + kPageBytes - 1) / kPageBytes;
  return static_cast<unsigned>(std::bit_width(std::max<std::size_t>(pages, 1) - 1));
}

std::byte* Arena::allocate(unsigned order) noexcept {
  unsigned found = order;
  while (found <= kMaxOrder && free_[found].empty()) ++found;
  if (found > kMaxOrder) {
    if (!take_step()) return nullptr;
    found = kMaxOrder;
  }
  std::byte* block = free_[found].back();
  free_[found].pop_back();
  free_order_[page_of(block)] = kNotFree;
  while (found > order) {
    --found;
    add_free(block + bytes_of(found), found);
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
    remove_free(buddy, order);
    block = std::min(block, buddy);
    ++order;
  }
  add_free(block, order);
}

/// The first that is not taken, so that few are in use at any time.
bool Arena::take_step() noexcept {
  const auto next = std::ranges::find(steps_, false);
  if (next == steps_.end()) return false;
  *next = true;
  ++taken_;
  const std::span step = step_at(static_cast<std::size_t>(next - steps_.begin()));
  if (registry_ != nullptr) registry_->add(step);
  for (std::size_t end = step.size(); end > 0; end -= kMaxBlockBytes) {
    add_free(step.data() + end - kMaxBlockBytes, kMaxOrder);
  }
  return true;
}

void Arena::give_back(std::size_t keep) noexcept {
  for (std::size_t step = steps_.size(); step > 0 && taken_ > keep; --step) {
    if (steps_[step - 1] && is_unused(step - 1)) give_back_step(step - 1);
  }
}

void Arena::give_back_step(std::size_t step) noexcept {
  const std::span memory = step_at(step);
  for (std::size_t at = 0; at < memory.size(); at += kMaxBlockBytes) {
    remove_free(memory.data() + at, kMaxOrder);
  }
  if (registry_ != nullptr) registry_->remove(memory);
  ::madvise(memory.data(), memory.size(), MADV_DONTNEED);
  steps_[step] = false;
  --taken_;
}

bool Arena::is_unused(std::size_t step) const noexcept {
  const std::span memory = step_at(step);
  for (std::size_t at = 0; at < memory.size(); at += kMaxBlockBytes) {
    if (free_order_[page_of(memory.data() + at)] != kMaxOrder) return false;
  }
  return true;
}

std::span<std::byte> Arena::step_at(std::size_t step) const noexcept {
  const std::span rest = memory_.subspan(step * kStepBytes);
  return rest.first(std::min(rest.size(), kStepBytes));
}

void Arena::add_free(std::byte* block, unsigned order) noexcept {
  free_[order].push_back(block);
  free_order_[page_of(block)] = static_cast<signed char>(order);
}

void Arena::remove_free(std::byte* block, unsigned order) noexcept {
  std::erase(free_[order], block);
  free_order_[page_of(block)] = kNotFree;
}

std::size_t Arena::page_of(const std::byte* data) const noexcept {
  return static_cast<std::size_t>(data - memory_.data()) / kPageBytes;
}

}  // namespace tapring
