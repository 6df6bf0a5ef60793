// SPDX-License-Identifier: MIT
// One range of addresses, allocated in blocks of a power of two of pages (a buddy allocator). It
// takes memory as it is needed, in steps, and gives it back.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "ring/memory_registry.h"
#include "ring/sizes.h"

namespace tapring {

/// One thread only.
class Arena {
 public:
  static constexpr unsigned kMaxOrder = 8;
  static constexpr std::size_t kMaxBlockBytes = kPageBytes << kMaxOrder;

  /// Memory is taken and given back in steps of a huge page.
  static constexpr std::size_t kStepBytes = 2 * kMaxBlockBytes;

  /// `bytes`: that it has at most, a multiple of kMaxBlockBytes. It begins with one step.
  /// `registry`, if there is one, is told of each, and outlives this. Throws std::system_error.
  explicit Arena(std::size_t bytes, MemoryRegistry* registry = nullptr);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// The smallest order whose blocks hold `bytes`.
  static unsigned order_for(std::size_t bytes) noexcept;
  static constexpr std::size_t bytes_of(unsigned order) noexcept { return kPageBytes << order; }

  /// A block of 2^order pages, aligned to a page; null if there is none.
  std::byte* allocate(unsigned order) noexcept;
  void free(std::byte* block, unsigned order) noexcept;

  /// All addresses.
  std::span<std::byte> memory() const noexcept { return memory_; }
  std::size_t bytes_in_use() const noexcept { return bytes_in_use_; }
  std::size_t steps_taken() const noexcept { return taken_; }

  /// Gives steps back of which nothing is in use, until `keep` are left.
  void give_back(std::size_t keep) noexcept;

 private:
  bool take_step() noexcept;
  void give_back_step(std::size_t step) noexcept;
  bool is_unused(std::size_t step) const noexcept;
  std::span<std::byte> step_at(std::size_t step) const noexcept;
  void add_free(std::byte* block, unsigned order) noexcept;
  void remove_free(std::byte* block, unsigned order) noexcept;
  std::size_t page_of(const std::byte* data) const noexcept;

  std::span<std::byte> memory_;
  MemoryRegistry* registry_;
  std::size_t bytes_in_use_ = 0;
  std::vector<bool> steps_;  ///< those that are taken
  std::size_t taken_ = 0;
  /// Free blocks by order, and for each page the order of the free block that starts there.
  std::array<std::vector<std::byte*>, kMaxOrder + 1> free_;
  std::vector<signed char> free_order_;
};

}  // namespace tapring
