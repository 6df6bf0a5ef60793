// SPDX-License-Identifier: MIT
#include "tests/pretend/stream_work.h"

#include <gtest/gtest.h>

#include <set>

namespace tapring::pretend {
namespace {

constexpr uint64_t kDiskSectors = 8 * 1000;

TEST(StreamWork, RingIsTheSmallestWithRoom) {
  const auto order = [](uint32_t depth) { return StreamWork{.depth = depth}.ring_order(); };
  EXPECT_EQ(order(1), 0U);
  EXPECT_EQ(order(32), 0U);
  EXPECT_EQ(order(33), 1U);
  EXPECT_EQ(order(128), 2U);
  EXPECT_EQ(order(512), 4U);
}

TEST(StreamWork, PartOfAPageTakesOne) {
  EXPECT_EQ(StreamWork{.block_bytes = 512}.pages(), 1U);
  EXPECT_EQ(StreamWork{.block_bytes = 4608}.pages(), 2U);
  EXPECT_EQ(StreamWork{.block_bytes = 1 << 20}.pages(), 256U);
}

TEST(StreamPlan, RandomBlocksAreWholeAndInsideTheDisk) {
  StreamPlan plan({.block_bytes = 3 * 512}, 10, 0);
  std::set<uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(plan.next().sector);
  EXPECT_EQ(seen, (std::set<uint64_t>{0, 3, 6}));
}

TEST(StreamPlan, SequentialBlocksBeginAgainAtTheEnd) {
  StreamPlan plan({.sequential = true}, 24, 0);
  for (const uint64_t sector : {0U, 8U, 16U, 0U}) EXPECT_EQ(plan.next().sector, sector);
}

TEST(StreamPlan, QueuesOfASequentialDiskBeginApart) {
  const StreamWork work{.sequential = true, .queues = 4};
  EXPECT_EQ(StreamPlan(work, kDiskSectors, 0).next().sector, 0U);
  EXPECT_EQ(StreamPlan(work, kDiskSectors, 3).next().sector, kDiskSectors / 4 * 3);
}

TEST(StreamPlan, QueuesOfARandomDiskDiffer) {
  EXPECT_NE(StreamPlan({}, kDiskSectors, 0).next().sector,
            StreamPlan({}, kDiskSectors, 1).next().sector);
}

TEST(StreamPlan, MixedIsHalfAndHalf) {
  const auto writes = [](StreamWork::Operation operation) {
    StreamPlan plan({.operation = operation}, kDiskSectors, 0);
    int count = 0;
    for (int i = 0; i < 10000; ++i) count += plan.next().writes ? 1 : 0;
    return count;
  };
  EXPECT_EQ(writes(StreamWork::Operation::read), 0);
  EXPECT_EQ(writes(StreamWork::Operation::write), 10000);
  EXPECT_NEAR(writes(StreamWork::Operation::mixed), 5000, 300);
}

}  // namespace
}  // namespace tapring::pretend
