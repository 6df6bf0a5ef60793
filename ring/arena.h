// SPDX-License-Identifier: MIT
// A piece of memory, lent out a power of two of pages at a time (a buddy system).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace tapring {

/// One thread only.
class Arena {
 public:
  static constexpr std::size_t kPageBytes = 4096;
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
  std::byte* take(unsigned order) noexcept;
  void give_back(std::byte* block, unsigned order) noexcept;

  std::span<std::byte> memory() const noexcept { return memory_; }
  std::size_t lent_bytes() const noexcept { return lent_bytes_; }

 private:
  std::size_t page_of(const std::byte* data) const noexcept;

  std::span<std::byte> memory_;
  std::size_t lent_bytes_ = 0;
  /// Free blocks by order, and for each page the order of the free block that starts there.
  std::array<std::vector<std::byte*>, kMaxOrder + 1> free_;
  std::vector<signed char> free_order_;
};

}  // namespace tapring
