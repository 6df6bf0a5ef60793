// SPDX-License-Identifier: MIT
// Where work goes that may block for as long as storage or the kernel likes: the port.
// thread_background is the real one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "ring/executor.h"

namespace tapring {

class Background {
 public:
  virtual ~Background() = default;

  /// Runs `work` aside. What may hang together belongs to one line: of that only some run at once,
  /// and the others wait, so that other lines need not. Throws std::system_error, and `work` is
  /// gone, when too much waits.
  void run(const std::string& line, Work work) { run_few(SIZE_MAX, line, std::move(work)); }

  /// Likewise, but only `most` of that line at once.
  virtual void run_few(std::size_t most, const std::string& line, Work work) = 0;
};

}  // namespace tapring
