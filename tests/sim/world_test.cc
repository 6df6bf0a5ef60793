// SPDX-License-Identifier: MIT
#include "tests/sim/world.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/sim/background.h"
#include "tests/sim/executor.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;

/// What a seed makes of twenty things that happen at the same moment.
std::string order_of(uint64_t seed) {
  SimWorld world(seed);
  std::string notes;
  for (char c = 'a'; c < 'u'; ++c) world.after(1us, [&notes, c] { notes += c; });
  world.run_until_idle();
  return notes;
}

TEST(SimWorld, TheSameSeedGivesTheSameOrder) { EXPECT_EQ(order_of(7), order_of(7)); }

TEST(SimWorld, AnotherSeedGivesAnotherOrder) { EXPECT_NE(order_of(7), order_of(8)); }

TEST(SimWorld, ThingsHappenInTheOrderOfTheirTimes) {
  SimWorld world(1);
  std::string notes;
  world.after(3us, [&] { notes += 'c'; });
  world.after(1us, [&] { notes += 'a'; });
  world.after(2us, [&] { notes += 'b'; });
  world.run_until_idle();
  EXPECT_EQ(notes, "abc");
  EXPECT_EQ(world.now(), 3us);
}

TEST(SimWorld, RunsNoFurtherThanAsked) {
  SimWorld world(1);
  int count = 0;
  for (int i = 1; i <= 10; ++i) world.after(i * 1ms, [&] { ++count; });
  EXPECT_TRUE(world.run_until([&] { return count == 3; }));
  EXPECT_FALSE(world.run_until([&] { return count == 10; }, 2ms));
  EXPECT_EQ(count, 5);
  world.run_for(1ms);
  EXPECT_EQ(count, 6);
}

TEST(SimWorld, AWorldThatSpinsIsFoundOut) {
  SimWorld world(1);
  std::function<void()> again = [&] { world.after(Time(0), [&] { again(); }); };
  again();
  EXPECT_THROW(world.run_until_idle(), std::runtime_error);
}

TEST(SimExecutor, RunsWorkInOrder) {
  SimWorld world(1);
  SimExecutor thread(world);
  std::string notes;
  for (const char c : {'a', 'b', 'c'}) thread.post([&notes, c] { notes += c; });
  EXPECT_EQ(notes, "");
  world.run_until_idle();
  EXPECT_EQ(notes, "abc");
}

TEST(SimExecutor, DropsItsWorkWhenItGoes) {
  SimWorld world(1);
  bool ran = false;
  {
    SimExecutor thread(world);
    thread.post([&] { ran = true; });
  }
  world.run_until_idle();
  EXPECT_FALSE(ran);
}

TEST(SimBackground, HeldWorkDelaysNoOther) {
  SimWorld world(1);
  SimBackground background(world);
  std::string notes;
  background.hold();
  background.run("", [&] { notes += 'a'; });
  background.stop_holding();
  background.run("", [&] { notes += 'b'; });
  world.run_until_idle();
  EXPECT_EQ(notes, "b");
  background.release();
  world.run_until_idle();
  EXPECT_EQ(notes, "ba");
}

TEST(SimBackground, RefusesTooMuch) {
  SimWorld world(1);
  SimBackground background(world);
  background.limit(1);
  background.run("", [] {});
  EXPECT_THROW(background.run("", [] {}), std::system_error);
  world.run_until_idle();
  EXPECT_NO_THROW(background.run("", [] {}));
}

}  // namespace
}  // namespace tapring::sim
