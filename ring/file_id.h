// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>

namespace tapring {

/// What a file is told from all others by, whatever its path (stat(2): st_dev, st_ino).
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  auto operator<=>(const FileId&) const = default;
};

}  // namespace tapring
