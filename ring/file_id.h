// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <compare>
#include <cstdint>

namespace tapring {

/// What a file is told from all others by, whatever its path (stat(2): st_dev, st_ino). A block
/// device is its number (st_rdev) and inode 0, whatever node it has.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  auto operator<=>(const FileId&) const = default;
};

inline FileId file_id_of(const struct stat& status) noexcept {
  if (S_ISBLK(status.st_mode)) return {status.st_rdev, 0};
  return {status.st_dev, status.st_ino};
}

}  // namespace tapring
