// SPDX-License-Identifier: MIT
// One piece of memory, allocated in blocks of a power of two of pages (a buddy allocator).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "ring/sizes.h"

namespace tapring {

/// One thread only.
class Arena {
 public:
  static constexpr unsigned kMaxOrder = 8;
  static constexpr std::size_t kMaxBlockBytes = kPageBytes << kMaxOrder;

  /// `bytes`: a multiple of kMaxBlockBytes. Throws std::system_error.
  explicit Arena(std::size_t bytes);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// The smallest order whose blocks hold `bytes`.
  static unsigned order_for(std::size_t bytes) noexcept;
  static constexpr std::size_t bytes_of(unsigned order) noexcept { return kPageBytes << order; }

  /// A block of 2^order pages, aligned to a page; null if there is none.
  std::byte* allocate(unsigned order) noexcept;
  void free(std::byte* block, unsigned order) noexcept;

  std::span<std::byte> memory() const noexcept { return memory_; }
  std::size_t bytes_in_use() const noexcept { return bytes_in_use_; }

 private:
  std::size_t page_of(const std::byte* data) const noexcept;

  std::span<std::byte> memory_;
  std::size_t bytes_in_use_ = 0;
  /// Free blocks by order, and for each page the order of the free block that starts there.
  std::array<std::vector<std::byte*>, kMaxOrder + 1> free_;
  std::vector<signed char> free_order_;
};

}  // namespace tapring
