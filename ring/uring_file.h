// SPDX-License-Identifier: MIT
// A file on a UringLoop.
#pragma once

#include "ring/file.h"
#include "ring/open_file.h"
#include "ring/uring_loop.h"

namespace tapring {

class UringFile final : public File {
 public:
  UringFile(UringLoop& loop, OpenFile file) noexcept
      : loop_(loop), fd_(std::move(file.fd)), block_device_(file.block_device),
        discard_unit_(file.discard_unit) {}

  Task<Error> read(uint64_t offset, Buffers into) override;
  Task<Error> write(uint64_t offset, Buffers from) override;
  Task<Error> sync() override;
  Task<Error> discard(uint64_t offset, uint64_t bytes) override;
  Task<Error> secure_erase(uint64_t offset, uint64_t bytes) override;
  Task<Result<uint64_t>> size() override;
  Task<Error> close() override;

 private:
  Task<Error> transfer(UringTransfers::Direction direction, uint64_t offset, Buffers buffers);

  UringLoop& loop_;
  UniqueFd fd_;
  bool block_device_;
  uint32_t discard_unit_;
};

}  // namespace tapring
