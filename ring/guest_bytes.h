// SPDX-License-Identifier: MIT
// Memory for what guests write to their disks and read from them, where it is not that of a
// BufferPool: it has no place in a core dump.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace tapring {

/// Whole pages are in no core dump, for as long as they are mapped; without effect after
/// dump_guest_bytes().
void leave_out_of_dumps(std::span<std::byte> pages) noexcept;

/// For who looks for a defect and may see what guests have on their disks: once, before other
/// threads.
void dump_guest_bytes() noexcept;

/// Owns pages that are left out of core dumps; their content is any. Those given back are kept for
/// the next one of the thread, up to kKeptBytes.
class GuestBytes {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kKeptBytes = std::size_t{4} << 20U;

  /// Throws std::bad_alloc.
  explicit GuestBytes(std::size_t bytes);
  GuestBytes(GuestBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), order_(other.order_) {}
  GuestBytes& operator=(GuestBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(order_, other.order_);
    return *this;
  }
  ~GuestBytes();

  /// Aligned to a page.
  std::byte* data() const noexcept { return data_; }

 private:
  std::byte* data_;
  unsigned order_;  ///< 2^this pages
};

}  // namespace tapring
