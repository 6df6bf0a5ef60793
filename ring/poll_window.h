// SPDX-License-Identifier: MIT
// Whether to look for work a little longer before sleeping: only while that has paid lately.
#pragma once

#include <chrono>

namespace tapring {

/// What sleeping and being woken costs is saved when work comes within `limit`; when none comes,
/// as much processor time is wasted. So it counts what came in time and what did not.
class PollWindow {
 public:
  using Duration = std::chrono::nanoseconds;

  /// 0: never look.
  explicit PollWindow(Duration limit = Duration::zero()) noexcept : limit_(limit) {}

  /// How long to look now.
  Duration length() const noexcept { return score_ >= kPays ? limit_ : Duration::zero(); }

  /// Tells how long it took until there was work, awake or asleep. What ended a sleep came a
  /// little earlier than it was seen, so twice the limit is still in time for a sleeper.
  void waited(Duration time, bool asleep) noexcept {
    const bool in_time = time <= (asleep ? 2 * limit_ : limit_);
    if (in_time) {
      if (score_ < kMost) ++score_;
    } else {
      score_ = score_ > kMissed ? score_ - kMissed : 0;
    }
  }

 private:
  // Five misses in a row close it; more than two of three must come in time to keep it open.
  static constexpr int kMost = 16, kPays = 8, kMissed = 2;

  Duration limit_;
  int score_ = 0;
};

}  // namespace tapring
