// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ring/unique_fd.h"

namespace tapring::fuzz {

/// A file that is only in memory, with a name in /proc by which it can be opened.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> contents)
      : descriptor_(::memfd_create("fuzzed", MFD_CLOEXEC)) {
    [[maybe_unused]] const ssize_t written =
        ::pwrite(descriptor_.get(), contents.data(), contents.size(), 0);
    assert(written == static_cast<ssize_t>(contents.size()));
  }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_.get()); }

  void resize(std::size_t bytes) {
    [[maybe_unused]] const int resized = ::ftruncate(descriptor_.get(), static_cast<off_t>(bytes));
    assert(resized == 0);
  }

  std::vector<std::byte> contents() const {
    struct stat status{};
    [[maybe_unused]] const int described = ::fstat(descriptor_.get(), &status);
    assert(described == 0);
    std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
    [[maybe_unused]] const ssize_t length =
        ::pread(descriptor_.get(), bytes.data(), bytes.size(), 0);
    assert(length == status.st_size);
    return bytes;
  }

 private:
  UniqueFd descriptor_;
};

}  // namespace tapring::fuzz
