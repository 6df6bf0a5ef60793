// SPDX-License-Identifier: MIT
// A file on storage that takes whole blocks larger than a guest's 512 bytes (O_DIRECT on a 4Kn
// disk): what does not cover its blocks reads them first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ring/file.h"
#include "ring/loop.h"
#include "ring/waiting.h"

namespace tapring {

class AlignedFile final : public File {
 public:
  /// `blocks` takes multiples of `block_bytes`, a power of two, and has a size of such. `loop` is
  /// the one it is on.
  AlignedFile(Loop& loop, std::unique_ptr<File> blocks, uint32_t block_bytes) noexcept
      : blocks_(std::move(blocks)), block_bytes_(block_bytes), lock_(loop) {}

  Task<Error> read(uint64_t offset, Buffers into) override;
  Task<Error> write(uint64_t offset, Buffers from) override;
  Task<Error> sync() override { return blocks_->sync(); }
  Task<Error> discard(uint64_t offset, uint64_t bytes) override;
  Task<Error> secure_erase(uint64_t offset, uint64_t bytes) override;
  Task<Result<uint64_t>> size() override;
  Task<Error> close() override { return blocks_->close(); }

 private:
  /// Bytes of the file, from the first of a block to the last of one.
  struct Extent {
    uint64_t begin;
    uint64_t end;
  };

  Extent cover(uint64_t offset, uint64_t bytes) const noexcept;
  bool is_aligned(uint64_t offset, Buffers buffers) const noexcept;
  Task<Error> read_edges(const Extent& extent, uint64_t offset, uint64_t end, std::byte* memory);

  std::unique_ptr<File> blocks_;
  uint64_t block_bytes_;
  /// Of blocks, by writes: a write that reads a block, changes a part and writes it back would undo
  /// what another wrote there meanwhile.
  RangeLock lock_;
};

/// `file` for use in units of 512 bytes, whatever blocks it takes.
std::unique_ptr<File> align_file(Loop& loop, std::unique_ptr<File> file, uint32_t block_bytes);

}  // namespace tapring
