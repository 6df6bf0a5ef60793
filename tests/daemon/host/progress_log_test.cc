// SPDX-License-Identifier: MIT
#include "daemon/host/progress_log.h"

#include <gtest/gtest.h>

#include "tests/sim/log_lines.h"

namespace tapring {
namespace {

using std::chrono::seconds;

TEST(ProgressLog, WhatTakesLongIsToldNowAndThen) {
  const sim::LogLines lines;
  ProgressLog::Clock::time_point now;
  ProgressLog log("0/xvda: mending", [&now] { return now; });
  log.show(1, 100);
  now += ProgressLog::kFirst - seconds(1);
  log.show(2, 100);
  EXPECT_EQ(lines.count(), 0U);
  now += seconds(1);
  log.show(3, 100);
  log.show(4, 100);
  EXPECT_EQ(lines.count_with("0/xvda: mending: 3 of 100 steps"), 1U);
  now += ProgressLog::kInterval;
  log.show(50, 100);
  EXPECT_EQ(lines.count_with("50 of 100"), 1U);
  EXPECT_EQ(lines.count(), 2U);
}

}  // namespace
}  // namespace tapring
