// SPDX-License-Identifier: MIT
#include "daemon/cli/rates.h"

#include <gtest/gtest.h>

namespace tapring {
namespace {

using namespace std::chrono_literals;

TEST(CliRates, AreDifferencesOverTime) {
  const DiskCounters earlier{.reads = 10, .read_bytes = 1000, .read_ns = 100};
  const DiskCounters later{.reads = 30, .read_bytes = 5000, .read_ns = 40100};
  const DiskRates rates = rates_between(earlier, later, 2s);
  EXPECT_DOUBLE_EQ(rates.reads.per_second, 10);
  EXPECT_DOUBLE_EQ(rates.reads.bytes_per_second, 2000);
  EXPECT_DOUBLE_EQ(rates.reads.mean_latency_us.value(), 2);
  EXPECT_DOUBLE_EQ(rates.writes.per_second, 0);
}

TEST(CliRates, KindsOfOperationsAreApart) {
  const DiskCounters later{
      .writes = 4, .flushes = 2, .written_bytes = 8, .write_ns = 4000, .flush_ns = 6000};
  const DiskRates rates = rates_between({}, later, 1s);
  EXPECT_DOUBLE_EQ(rates.writes.mean_latency_us.value(), 1);
  EXPECT_DOUBLE_EQ(rates.flushes.mean_latency_us.value(), 3);
  EXPECT_DOUBLE_EQ(rates.flushes.per_second, 2);
  EXPECT_FALSE(rates.reads.mean_latency_us);
}

TEST(CliRates, CountersThatWentBackCountFromZero) {
  const DiskCounters earlier{.reads = 1000, .writes = 5, .read_bytes = 1000, .read_ns = 1000};
  const DiskCounters later{.reads = 3, .writes = 7, .read_bytes = 3, .read_ns = 3};
  const DiskRates rates = rates_between(earlier, later, 1s);
  EXPECT_DOUBLE_EQ(rates.reads.per_second, 3);
  EXPECT_DOUBLE_EQ(rates.writes.per_second, 7);
}

TEST(CliRates, NoTimeGivesNoRates) {
  EXPECT_DOUBLE_EQ(rates_between({}, {.reads = 1}, 0s).reads.per_second, 0);
}

}  // namespace
}  // namespace tapring
