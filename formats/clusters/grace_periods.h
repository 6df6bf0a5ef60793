// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>

#include "ring/error.h"
#include "ring/task.h"
#include "ring/waiting.h"

namespace tapring {

/// Before clusters that the map no longer names are used again, every transfer must have ended that
/// may still be under way to them: those that began before the map changed. As in RCU, readers are
/// not held up; whoever frees waits for one grace period.
class GracePeriods {
 public:
  /// Held while a transfer is under way, from the turn of the loop in which the map told where to.
  class Reader {
   public:
    explicit Reader(GracePeriods& grace_periods) noexcept
        : grace_periods_(grace_periods), period_(grace_periods.current_) {
      ++grace_periods.readers_[period_];
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() {
      const bool is_last = --grace_periods_.readers_[period_] == 0;
      if (is_last && period_ != grace_periods_.current_) grace_periods_.ended_.wake_all();
    }

   private:
    GracePeriods& grace_periods_;
    std::size_t period_;
  };

  explicit GracePeriods(Loop& loop) noexcept : ended_(loop) {}

  /// Waits for every transfer that is under way now. One call at a time.
  Task<Error> wait() {
    current_ = 1 - current_;
    while (readers_[1 - current_] > 0) co_await ended_.wait();
    co_return Error{};
  }

 private:
  std::array<std::size_t, 2> readers_{};
  std::size_t current_ = 0;
  WaitQueue ended_;
};

}  // namespace tapring
