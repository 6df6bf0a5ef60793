// SPDX-License-Identifier: MIT
#pragma once

#include "daemon/host/log.h"
#include "ring/executor.h"

namespace tapring {

/// Catches what its work throws, and logs it: an error of one disk, such as a write that xenstored
/// refuses, must not end the others.
class GuardedExecutor final : public Executor {
 public:
  GuardedExecutor(Executor& executor, LogLimit& log) noexcept : executor_(executor), log_(log) {}

  void post(Work work) override;

 private:
  Executor& executor_;
  LogLimit& log_;
};

}  // namespace tapring
