// SPDX-License-Identifier: MIT
#include "daemon/host/cpu_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <system_error>
#include <thread>

namespace tapring {
namespace {

TEST(CpuRange, OfOneAndOfSeveral) {
  EXPECT_EQ(parse_cpu_range("3"), (CpuRange{3, 3}));
  EXPECT_EQ(parse_cpu_range("4-7"), (CpuRange{4, 7}));
  EXPECT_EQ(parse_cpu_range("0-1023"), (CpuRange{0, 1023}));
}

TEST(CpuRange, WhatIsNoRangeIsRefused) {
  for (const char* text : {"", "-", "1-", "-1", "7-4", "1024", "0-1024", "1,2", "a", " 1", "1 ",
                           "1-2-3", "+1", "99999999999"}) {
    EXPECT_EQ(parse_cpu_range(text), std::nullopt) << text;
  }
}

TEST(CpuRange, IsPrintedAsItIsRead) {
  for (const char* text : {"3", "4-7"}) EXPECT_EQ(to_string(*parse_cpu_range(text)), text);
}

TEST(CpuRange, AThreadRunsOnItOnly) {
  const int cpu = ::sched_getcpu();
  ASSERT_GE(cpu, 0);
  int count = 0;
  bool is_in = false;
  std::thread([&] {
    run_on({static_cast<uint32_t>(cpu), static_cast<uint32_t>(cpu)});
    cpu_set_t cpus;
    ASSERT_EQ(::sched_getaffinity(0, sizeof cpus, &cpus), 0);
    count = CPU_COUNT(&cpus);
    is_in = CPU_ISSET(static_cast<std::size_t>(cpu), &cpus);
  }).join();
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(is_in);
}

TEST(CpuRange, OfCpusThatAreNotThereIsAnErrorThatNamesThem) {
  std::thread([] {
    try {
      run_on({1022, 1023});
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("CPU 1022-1023 (worker_cpus"));
    }
  }).join();
}

}  // namespace
}  // namespace tapring
