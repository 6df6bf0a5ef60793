// SPDX-License-Identifier: MIT
#include "daemon/host/progress_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace tapring {

ProgressLog::ProgressLog(std::string what, std::function<Clock::time_point()> now)
    : what_(std::move(what)), now_(std::move(now)), next_(now_() + kFirst) {}

void ProgressLog::show(uint64_t done, uint64_t all) {
  const Clock::time_point now = now_();
  if (now < next_) return;
  next_ = now + kInterval;
  spdlog::info("{}: {} of {} steps", what_, done, std::max(done, all));
}

}  // namespace tapring
