// SPDX-License-Identifier: MIT
// Whether to poll for work a little longer before sleeping: only while that has paid lately.
#pragma once

#include <chrono>

namespace tapring {

/// When work comes within `limit`, polling saves what it costs to sleep and to be woken; when none
/// comes, it wastes as much processor time. So this keeps a score of work that came in time.
class PollWindow {
 public:
  using Duration = std::chrono::nanoseconds;

  /// 0: never poll.
  explicit PollWindow(Duration limit = Duration::zero()) noexcept : limit_(limit) {}

  /// How long to poll now.
  Duration length() const noexcept { return score_ >= kPays ? limit_ : Duration::zero(); }

  /// Tells how long it took until there was work. A sleeper sees it a little after it came, so for
  /// one that was `asleep` twice the limit is still in time.
  void waited(Duration time, bool asleep) noexcept {
    const bool in_time = time <= (asleep ? 2 * limit_ : limit_);
    if (in_time) {
      if (score_ < kMost) ++score_;
    } else {
      score_ = score_ > kMissed ? score_ - kMissed : 0;
    }
  }

 private:
  // Five misses in a row close the window; to stay open, more than two of three must be in time.
  static constexpr int kMost = 16, kPays = 8, kMissed = 2;

  Duration limit_;
  int score_ = 0;
};

}  // namespace tapring
