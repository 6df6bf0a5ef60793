// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>

#include "formats/durability.h"
#include "ring/file.h"

namespace tapring {

/// A file of an image on its loop. What lies past its end reads as zeros: the last cluster, and
/// clusters that were only ever allocated, need not be in the file.
class HostFile {
 public:
  HostFile(std::unique_ptr<File> file, uint64_t end) noexcept : file_(std::move(file)), end_(end) {}

  Task<Error> read(uint64_t offset, Buffers into);
  Task<Error> write(uint64_t offset, Buffers from);
  Task<Error> sync() { return durability_.sync(*file_); }
  /// Once the storage has said that it cannot do this at all, it is not asked again.
  Task<Error> discard(uint64_t offset, uint64_t bytes);
  bool discards() const noexcept { return discards_; }
  Task<Error> close() { return durability_.close(*file_); }

  /// Where the file ends: as long as it was when it was opened, or as we have written since.
  uint64_t end() const noexcept { return end_; }

 private:
  Task<Error> read_to_end(uint64_t offset, Buffers into);
  Task<Error> write_past_end(uint64_t offset, Buffers from);

  std::unique_ptr<File> file_;
  uint64_t end_;
  Durability durability_;
  bool discards_ = true;  ///< as far as is known
};

}  // namespace tapring
