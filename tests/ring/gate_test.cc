// SPDX-License-Identifier: MIT
#include "ring/gate.h"

#include <gtest/gtest.h>

#include <optional>

#include "ring/task.h"
#include "tests/sim/loop.h"

namespace tapring {
namespace {

class GateTest : public testing::Test {
 protected:
  Detached wait_until_empty() {
    co_await gate_.emptied();
    emptied_ = true;
  }

  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  Gate gate_{loop_};
  bool emptied_ = false;
};

TEST_F(GateTest, AnEmptyGateDoesNotSuspend) {
  wait_until_empty();
  EXPECT_TRUE(emptied_);
}

TEST_F(GateTest, WaitsForTheLastToLeave) {
  std::optional<Gate::Pass> first(gate_.enter());
  std::optional<Gate::Pass> second(gate_.enter());
  wait_until_empty();
  loop_.post([&] { first.reset(); });
  world_.run_until_idle();
  EXPECT_FALSE(emptied_);
  loop_.post([&] { second.reset(); });
  world_.run_until_idle();
  EXPECT_TRUE(emptied_);
}

TEST_F(GateTest, TheWaiterRunsAfterWhoLeaves) {
  std::optional<Gate::Pass> pass(gate_.enter());
  wait_until_empty();
  bool emptied_while_leaving = false;
  loop_.post([&] {
    pass.reset();
    emptied_while_leaving = emptied_;
  });
  world_.run_until_idle();
  EXPECT_FALSE(emptied_while_leaving);
  EXPECT_TRUE(emptied_);
}

TEST_F(GateTest, AMovedPassCountsOnce) {
  {
    Gate::Pass pass = gate_.enter();
    const Gate::Pass moved(std::move(pass));
    EXPECT_EQ(gate_.inside(), 1U);
  }
  EXPECT_EQ(gate_.inside(), 0U);
}

}  // namespace
}  // namespace tapring
