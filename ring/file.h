// SPDX-License-Identifier: MIT
// What an image does its I/O through, on a loop.
#pragma once

#include <sys/stat.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>

#include "ring/error.h"
#include "ring/task.h"

namespace tapring {

/// Tells a file from all others that are there, whatever its path (stat(2): st_dev, st_ino). A
/// block device is its number (st_rdev) and inode 0, whichever node leads to it.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  /// When a regular file was made, in nanoseconds: tells it from another that has its inode once it
  /// is gone. 0 where that is not known, as its file system does not say or nobody asked.
  uint64_t born = 0;

  /// Whether both are one file, while it is there.
  friend bool operator==(const FileId& left, const FileId& right) noexcept {
    return left.device == right.device && left.inode == right.inode;
  }
};

inline FileId file_id_of(const struct stat& status) noexcept {
  if (S_ISBLK(status.st_mode)) return {status.st_rdev, 0};
  return {status.st_dev, status.st_ino};
}

using Buffers = std::span<const iovec>;

/// An open file or block device on one Loop.
///
/// Short transfers, EINTR and EAGAIN are dealt with inside. The caller keeps buffers until the task
/// is done. Requests may overlap in time and finish in any order.
class File {
 public:
  virtual ~File() = default;

  /// Fills all of `into`; an error if the file ends before that.
  virtual Task<Error> read(uint64_t offset, Buffers into) = 0;

  /// Writes all of `from`. Done means readable, not durable.
  virtual Task<Error> write(uint64_t offset, Buffers from) = 0;

  /// Makes durable every write that was done before the call (fdatasync).
  virtual Task<Error> sync() = 0;

  /// Gives the room back to the storage; the range reads as zeros. A block device leaves parts of
  /// its blocks as they are. Ends with errc::operation_not_supported where the storage cannot do
  /// it.
  virtual Task<Error> discard(uint64_t offset, uint64_t bytes) = 0;

  /// Makes the data of the range unreadable for ever, wherever the storage has copies of it. Ends
  /// with errc::operation_not_supported where the storage cannot do it, and with
  /// errc::invalid_argument where the range is not in whole blocks. The caller bounds how many run
  /// at once.
  virtual Task<Error> secure_erase(uint64_t offset, uint64_t bytes) = 0;

  /// In bytes, now: others may have made the file larger since it was opened.
  virtual Task<Result<uint64_t>> size() = 0;

  /// Closes the descriptor, and so gives up every lock. The last call, when every other task is
  /// done.
  virtual Task<Error> close() = 0;
};

}  // namespace tapring
