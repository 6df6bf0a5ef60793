// SPDX-License-Identifier: MIT
// Memory that a process shares with others that map the same file, such as its successor.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace tapring {

/// Mapped for as long as this lives.
class SharedMemory {
 public:
  /// The first `bytes` of a file, which must have all of its blocks: where the file system has no
  /// room for one, touching the memory ends the process. Throws std::system_error.
  SharedMemory(int fd, std::size_t bytes);

  /// Shared with nobody.
  explicit SharedMemory(std::size_t bytes);

  SharedMemory(SharedMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SharedMemory();

  /// Aligned to a page.
  std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace tapring
