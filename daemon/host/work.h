// SPDX-License-Identifier: MIT
// Where work goes that may block or that is for later: the ports. Beside them is Executor, for work
// that another thread is to do at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "ring/executor.h"

namespace tapring {

/// For what may block for as long as storage or the kernel likes. thread_background is the real
/// one.
class Background {
 public:
  virtual ~Background() = default;

  /// Runs `work` on a thread that may block. What may hang together belongs to one line: of that
  /// only some run at once and the others wait, so that other lines need not. Throws
  /// std::system_error, and `work` is gone, when too much waits.
  void run(const std::string& line, Work work) { run_few(SIZE_MAX, line, std::move(work)); }

  /// Likewise, but only `most` of that line at once.
  virtual void run_few(std::size_t most, const std::string& line, Work work) = 0;
};

/// For what is to be done some time from now.
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
