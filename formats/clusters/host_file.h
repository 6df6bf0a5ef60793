// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>

#include "ring/file.h"

namespace tapring {

/// A file of an image on its loop. What lies past its end reads as zeros: the last cluster, and
/// clusters that were only ever allocated, need not be in the file.
class HostFile {
 public:
  HostFile(std::unique_ptr<File> file, uint64_t end) noexcept : file_(std::move(file)), end_(end) {}

  Task<Error> read(uint64_t offset, Buffers into);
  Task<Error> write(uint64_t offset, Buffers from);
  /// After the first sync that failed, always lost_write(): the kernel reports a loss only once,
  /// and nothing is certain from then on.
  Task<Error> sync();
  /// Once the storage has said that it cannot do this at all, it is not asked again.
  Task<Error> discard(uint64_t offset, uint64_t bytes);
  bool discards() const noexcept { return discards_; }
  /// NFS and FUSE write back what the page cache has of a file when it is closed: an error there
  /// may be a lost write.
  Task<Error> close();

  /// Where the file ends: as long as it was when it was opened, or as we have written since.
  uint64_t end() const noexcept { return end_; }

 private:
  Task<Error> read_to_end(uint64_t offset, Buffers into);
  Task<Error> write_past_end(uint64_t offset, Buffers from);

  std::unique_ptr<File> file_;
  uint64_t end_;
  bool written_ = false;
  Error lost_;  ///< the first sync that failed
  bool discards_ = true;  ///< as far as is known
};

}  // namespace tapring
