// SPDX-License-Identifier: MIT
// An arena, and more memory in place of what somebody keeps for too long.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "ring/arena.h"

namespace tapring {

/// One thread only.
class GrowingArena {
 public:
  /// As Arena's; `registry` hears of the first arena alone. Throws std::system_error.
  GrowingArena(std::size_t bytes, MemoryRegistry* registry) : first_(bytes, registry) {}

  /// As those of Arena. Null, too, where there is no memory for more.
  std::byte* allocate(unsigned order) noexcept;
  void free(std::byte* block, unsigned order) noexcept;

  /// So much more than the first arena there may be, rounded up to Arena::kMaxBlockBytes. What is
  /// more already goes once nobody uses it.
  void allow_more(std::size_t bytes) noexcept;

  /// The first arena alone.
  std::span<std::byte> memory() const noexcept { return first_.memory(); }
  std::size_t steps_taken() const noexcept { return first_.steps_taken(); }
  void give_back(std::size_t keep) noexcept { first_.give_back(keep); }
  std::size_t bytes_in_use() const noexcept;

 private:
  std::byte* allocate_more(unsigned order) noexcept;
  void release_unused() noexcept;

  Arena first_;
  std::vector<std::unique_ptr<Arena>> more_;  ///< of Arena::kMaxBlockBytes each
  std::size_t allowed_ = 0;                   ///< as many of these
};

}  // namespace tapring
