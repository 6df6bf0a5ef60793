// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "tests/sim/random.h"

namespace tapring {

/// While it exists, each pread(), pwrite() and fdatasync() of this process fails with this
/// probability: with EIO, or ENOSPC where that can be. For what blocks, as opening an image does;
/// the files of a simulated world have faults of their own. One at a time.
class FailingCalls {
 public:
  FailingCalls(double probability, sim::Random& random) noexcept;
  ~FailingCalls();
  FailingCalls(const FailingCalls&) = delete;
  FailingCalls& operator=(const FailingCalls&) = delete;

  /// An errno, or 0. The calls ask it.
  int draw(bool writes) noexcept;

  uint64_t failed() const noexcept { return failed_; }

 private:
  double probability_;
  sim::Random& random_;
  uint64_t failed_ = 0;
};

}  // namespace tapring
