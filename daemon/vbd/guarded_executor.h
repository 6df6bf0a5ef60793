// SPDX-License-Identifier: MIT
#pragma once

#include "daemon/host/log.h"
#include "ring/executor.h"

namespace tapring {

/// Work that throws ends with a line in the log, and nothing but this work: where xenstore refuses
/// what one disk needs, the others are served on.
class GuardedExecutor final : public Executor {
 public:
  GuardedExecutor(Executor& executor, LogLimit& log) noexcept : executor_(executor), log_(log) {}

  void post(Work work) override;

 private:
  Executor& executor_;
  LogLimit& log_;
};

}  // namespace tapring
