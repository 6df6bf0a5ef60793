// SPDX-License-Identifier: MIT
// Memory that is aligned for O_DIRECT and left out of core dumps, as guests' data may be in it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include "ring/scratch_pages.h"
#include "ring/sizes.h"

namespace tapring {

/// Begins at a page; all zeros at first.
class AlignedBytes {
 public:
  static constexpr std::size_t kAlignment = kPageBytes;

  AlignedBytes() = default;
  explicit AlignedBytes(std::size_t size) : size_(size) {
    if (size == 0) return;
    memory_.emplace(size);
    std::memset(memory_->data(), 0, size);
  }

  std::byte* data() noexcept { return memory_ ? memory_->data() : nullptr; }
  const std::byte* data() const noexcept { return memory_ ? memory_->data() : nullptr; }
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> span() noexcept { return {data(), size_}; }
  std::span<const std::byte> span() const noexcept { return {data(), size_}; }
  iovec buffer() noexcept { return {data(), size_}; }

 private:
  std::optional<ScratchPages> memory_;
  std::size_t size_ = 0;
};

}  // namespace tapring
