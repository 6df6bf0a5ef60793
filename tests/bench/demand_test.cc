// SPDX-License-Identifier: MIT
#include "tests/bench/demand.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

namespace tapring::bench {
namespace {

using Clock = Demand::Clock;
using Operation = Workload::Operation;
using Access = Workload::Access;

Workload workload(Operation operation, Access access, uint32_t depth) {
  Workload workload;
  workload.operation = operation;
  workload.access = access;
  workload.depth = depth;
  return workload;
}

TEST(Demand, HasNoMoreInFlightThanItsDepth) {
  Demand demand(workload(Operation::read, Access::random, 3), {0, 8}, 1);
  std::set<uint64_t> slots;
  while (demand.wants_more()) slots.insert(demand.next({}).slot);
  EXPECT_EQ(slots, (std::set<uint64_t>{0, 1, 2}));
  demand.answer(1, true, {});
  EXPECT_EQ(demand.in_flight(), 2u);
  EXPECT_EQ(demand.next({}).slot, 1u);
  EXPECT_FALSE(demand.wants_more());
}

TEST(Demand, GoesThroughItsRegionInOrderAndAgain) {
  Demand demand(workload(Operation::write, Access::sequential, 1), {5, 3}, 1);
  for (const uint64_t block : {5u, 6u, 7u, 5u, 6u}) {
    const Demand::Request request = demand.next({});
    EXPECT_EQ(request.block, block);
    EXPECT_TRUE(request.write);
    demand.answer(request.slot, true, {});
  }
}

TEST(Demand, ChoosesByChanceFromAllOfItsRegion) {
  Demand demand(workload(Operation::mixed, Access::random, 1), {5, 3}, 1);
  std::set<uint64_t> blocks;
  int writes = 0;
  for (int i = 0; i < 100; ++i) {
    const Demand::Request request = demand.next({});
    blocks.insert(request.block);
    if (request.write) ++writes;
    demand.answer(request.slot, true, {});
  }
  EXPECT_EQ(blocks, (std::set<uint64_t>{5, 6, 7}));
  EXPECT_GT(writes, 20);
  EXPECT_LT(writes, 80);
}

TEST(Demand, AsksAllWhoHaveTheSameSeedTheSame) {
  Demand one(workload(Operation::mixed, Access::random, 100), {0, 1 << 20}, 7);
  Demand other(workload(Operation::mixed, Access::random, 100), {0, 1 << 20}, 7);
  while (one.wants_more()) {
    const Demand::Request request = one.next({});
    const Demand::Request same = other.next({});
    EXPECT_EQ(request.block, same.block);
    EXPECT_EQ(request.write, same.write);
  }
}

TEST(Demand, KeepsLatenciesOnceItMeasures) {
  Demand demand(workload(Operation::read, Access::random, 2), {0, 8}, 1);
  const Clock::time_point start;
  demand.answer(demand.next(start).slot, true, start + std::chrono::microseconds(3));
  demand.measure();
  const Demand::Request request = demand.next(start);
  demand.answer(request.slot, true, start + std::chrono::microseconds(5));
  EXPECT_EQ(demand.latencies(), std::vector<uint32_t>{5000});
  EXPECT_EQ(demand.answered(), 2u);
}

TEST(Demand, CountsWhatFailed) {
  Demand demand(workload(Operation::read, Access::random, 1), {0, 8}, 1);
  demand.answer(demand.next({}).slot, false, {});
  EXPECT_EQ(demand.failures(), 1u);
  EXPECT_EQ(demand.answered(), 1u);
}

TEST(Demand, AsksForNothingOnceItIsStopped) {
  Demand demand(workload(Operation::read, Access::random, 2), {0, 8}, 1);
  demand.next({});
  demand.stop();
  EXPECT_FALSE(demand.wants_more());
  EXPECT_EQ(demand.in_flight(), 1u);
}

TEST(Demand, RefusesAnImageWithoutRoom) {
  EXPECT_THROW(Demand(Workload{}, {0, 0}, 1), std::invalid_argument);
}

}  // namespace
}  // namespace tapring::bench
