// SPDX-License-Identifier: MIT
// Memory that a process shares with whoever maps the same file, its successor for instance.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace tapring {

/// Mapped for as long as this lives.
class SharedMemory {
 public:
  /// The first `bytes` of a file that is as long; all of the room must be there by then, or to
  /// touch it may end the process. Throws std::system_error.
  SharedMemory(int fd, std::size_t bytes);

  /// With nobody.
  explicit SharedMemory(std::size_t bytes);

  SharedMemory(SharedMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SharedMemory();

  /// Begins at a page.
  std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace tapring
