// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace tapring {

/// Logs the progress of something, if it takes so long that somebody may wonder.
class ProgressLog {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kFirst{2};
  static constexpr std::chrono::seconds kInterval{10};

  /// `what` begins each line.
  explicit ProgressLog(std::string what, std::function<Clock::time_point()> now = Clock::now);

  void show(uint64_t done, uint64_t all);

 private:
  std::string what_;
  std::function<Clock::time_point()> now_;
  Clock::time_point next_;
};

}  // namespace tapring
