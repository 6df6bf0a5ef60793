// SPDX-License-Identifier: MIT
// A file on a UringLoop.
#pragma once

#include "ring/file.h"
#include "ring/open_file.h"
#include "ring/uring_loop.h"

namespace tapring {

class UringFile final : public File {
 public:
  UringFile(UringLoop& loop, OpenFile file) noexcept : loop_(loop), fd_(std::move(file.fd)) {}

  Task<Error> read(uint64_t offset, Buffers into) override;
  Task<Error> write(uint64_t offset, Buffers from) override;
  Task<Error> sync() override;
  Task<Error> close() override;

 private:
  enum class Direction : uint8_t { read, write };
  Task<Error> transfer(Direction direction, uint64_t offset, Buffers buffers);
  void prepare(io_uring_sqe* sqe, Direction direction, uint64_t offset, const iovec& rest) const;

  UringLoop& loop_;
  UniqueFd fd_;
};

}  // namespace tapring
