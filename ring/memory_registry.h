// SPDX-License-Identifier: MIT
// Who wants to know which part of an arena is in use: the kernel pins what it is told of, so it is
// told of no more than that.
#pragma once

#include <cstddef>
#include <span>

namespace tapring {

/// One thread only. None of these fails: memory that could not be registered is slower, no more.
class MemoryRegistry {
 public:
  /// Parts of `all` will be added, each of which begins at a multiple of `part_bytes` in it, and is
  /// that long but perhaps for the last.
  virtual void reserve(std::span<std::byte> all, std::size_t part_bytes) noexcept = 0;

  virtual void add(std::span<std::byte> part) noexcept = 0;
  virtual void remove(std::span<std::byte> part) noexcept = 0;

 protected:
  ~MemoryRegistry() = default;
};

}  // namespace tapring
