// SPDX-License-Identifier: MIT
// Memory outside of the BufferPool for what guests write to their disks and read from them. Such
// data has no place in a core dump.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace tapring {

/// Keeps whole pages out of core dumps for as long as they are mapped; without effect after
/// include_guest_data_in_dumps().
void exclude_from_dumps(std::span<std::byte> pages) noexcept;

/// For people who look for a defect and may see what guests have on their disks. To be called once,
/// before there are other threads.
void include_guest_data_in_dumps() noexcept;

/// Owns pages that are left out of core dumps. Their content is arbitrary. Freed pages are kept for
/// the thread's next ScratchPages, up to kFreeBytes.
class ScratchPages {
 public:
  static constexpr std::size_t kFreeBytes = std::size_t{4} << 20U;

  /// Throws std::bad_alloc.
  explicit ScratchPages(std::size_t bytes);
  ScratchPages(ScratchPages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), order_(other.order_) {}
  ScratchPages& operator=(ScratchPages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(order_, other.order_);
    return *this;
  }
  ~ScratchPages();

  /// Aligned to a page.
  std::byte* data() const noexcept { return data_; }

 private:
  std::byte* data_;
  unsigned order_;  ///< 2^this pages
};

}  // namespace tapring
