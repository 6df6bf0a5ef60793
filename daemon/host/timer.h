// SPDX-License-Identifier: MIT
// Work for the control thread, some time from now: the port.
#pragma once

#include <chrono>

#include "ring/executor.h"

namespace tapring {

class Timer {
 public:
  virtual ~Timer() = default;

  /// Of a clock that only goes forward.
  virtual std::chrono::milliseconds now() const = 0;

  /// Runs `work`, which does not throw, on the control thread after `delay`. For that thread to
  /// call.
  virtual void after(std::chrono::milliseconds delay, Work work) = 0;
};

}  // namespace tapring
