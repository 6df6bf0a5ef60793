// SPDX-License-Identifier: MIT
#include "tests/pretend/latencies.h"

#include <gtest/gtest.h>

namespace tapring::pretend {
namespace {

TEST(Latencies, AreNothingOfNoRequest) {
  Latencies latencies;
  EXPECT_EQ(latencies.mean(), 0);
  EXPECT_EQ(latencies.percentile(0.99), 0);
}

TEST(Latencies, PercentileIsTheLeastThatThisShareDoesNotExceed) {
  Latencies latencies;
  for (uint64_t microseconds = 1000; microseconds > 0; --microseconds) {
    latencies.add(microseconds * 1000);
  }
  EXPECT_EQ(latencies.percentile(0.5), 500);
  EXPECT_EQ(latencies.percentile(0.999), 999);
  EXPECT_EQ(latencies.percentile(0.9991), 1000);
  EXPECT_EQ(latencies.percentile(1), 1000);
  EXPECT_EQ(latencies.mean(), 500.5);
}

TEST(Latencies, LongerThanFourSecondsIsFourSeconds) {
  Latencies latencies;
  latencies.add(uint64_t{1} << 40U);
  EXPECT_DOUBLE_EQ(latencies.percentile(1), UINT32_MAX / 1e3);
}

TEST(Latencies, ClearForgetsThem) {
  Latencies latencies;
  latencies.add(5);
  latencies.clear();
  EXPECT_EQ(latencies.count(), 0U);
}

}  // namespace
}  // namespace tapring::pretend
