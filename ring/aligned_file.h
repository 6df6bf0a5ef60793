// SPDX-License-Identifier: MIT
// A file on storage that takes only whole blocks, larger than a guest's sectors (O_DIRECT on a 4Kn
// disk): a write of part of a block reads the block first.
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
  /// `blocks`, on `loop`, takes multiples of `block_bytes`, a power of two.
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
  /// A range of the file in whole blocks.
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

/// `file`, for use in sectors whatever blocks it takes.
std::unique_ptr<File> align_file(Loop& loop, std::unique_ptr<File> file, uint32_t block_bytes);

}  // namespace tapring
