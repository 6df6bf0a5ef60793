// SPDX-License-Identifier: MIT
// Where work goes that may block for as long as storage or the kernel likes: the port.
// thread_background is the real one.
#pragma once

#include "ring/executor.h"

namespace tapring {

class Background {
 public:
  virtual ~Background() = default;

  /// Runs `work` aside; pieces of work never wait for each other. Throws std::system_error when too
  /// many are under way.
  virtual void run(Work work) = 0;
};

}  // namespace tapring
