// SPDX-License-Identifier: MIT
#include "ring/growing_arena.h"

#include <algorithm>
#include <exception>

namespace tapring {
namespace {

bool contains(const Arena& arena, const std::byte* block) noexcept {
  const std::span<std::byte> memory = arena.memory();
  return block >= memory.data() && block < memory.data() + memory.size();
}

}  // namespace

std::byte* GrowingArena::allocate(unsigned order) noexcept {
  std::byte* block = first_.allocate(order);
  for (auto arena = more_.begin(); block == nullptr && arena != more_.end(); ++arena) {
    block = (*arena)->allocate(order);
  }
  return block != nullptr || more_.size() >= allowed_ ? block : allocate_more(order);
}

std::byte* GrowingArena::allocate_more(unsigned order) noexcept {
  try {
    more_.push_back(std::make_unique<Arena>(Arena::kMaxBlockBytes));
  } catch (const std::exception&) {
    return nullptr;
  }
  return more_.back()->allocate(order);
}

void GrowingArena::free(std::byte* block, unsigned order) noexcept {
  if (contains(first_, block)) return first_.free(block, order);
  const auto owner =
      std::ranges::find_if(more_, [&](const auto& arena) { return contains(*arena, block); });
  (*owner)->free(block, order);
  release_unused();
}

void GrowingArena::allow_more(std::size_t bytes) noexcept {
  allowed_ = (bytes + Arena::kMaxBlockBytes - 1) / Arena::kMaxBlockBytes;
  release_unused();
}

void GrowingArena::release_unused() noexcept {
  for (auto arena = more_.begin(); arena != more_.end() && more_.size() > allowed_;) {
    arena = (*arena)->bytes_in_use() == 0 ? more_.erase(arena) : arena + 1;
  }
}

std::size_t GrowingArena::bytes_in_use() const noexcept {
  std::size_t bytes = first_.bytes_in_use();
  for (const auto& arena : more_) bytes += arena->bytes_in_use();
  return bytes;
}

}  // namespace tapring
