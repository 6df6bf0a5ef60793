// SPDX-License-Identifier: MIT
#include "ring/waiting.h"

#include <gtest/gtest.h>

#include <optional>

#include "ring/task.h"
#include "tests/sim/loop.h"

namespace tapring {
namespace {

class TaskGroupTest : public testing::Test {
 protected:
  Detached wait_until_drained() {
    co_await tasks_.drained();
    drained_ = true;
  }

  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  TaskGroup tasks_{loop_};
  bool drained_ = false;
};

TEST_F(TaskGroupTest, AnEmptyOneDoesNotSuspend) {
  wait_until_drained();
  EXPECT_TRUE(drained_);
}

TEST_F(TaskGroupTest, WaitsForTheLastToLeave) {
  std::optional<TaskGroup::Member> first(tasks_.enter());
  std::optional<TaskGroup::Member> second(tasks_.enter());
  wait_until_drained();
  loop_.post([&] { first.reset(); });
  world_.run_until_idle();
  EXPECT_FALSE(drained_);
  loop_.post([&] { second.reset(); });
  world_.run_until_idle();
  EXPECT_TRUE(drained_);
}

TEST_F(TaskGroupTest, TheWaiterRunsAfterWhoLeaves) {
  std::optional<TaskGroup::Member> member(tasks_.enter());
  wait_until_drained();
  bool drained_while_leaving = false;
  loop_.post([&] {
    member.reset();
    drained_while_leaving = drained_;
  });
  world_.run_until_idle();
  EXPECT_FALSE(drained_while_leaving);
  EXPECT_TRUE(drained_);
}

TEST_F(TaskGroupTest, AMovedMemberCountsOnce) {
  {
    TaskGroup::Member member = tasks_.enter();
    const TaskGroup::Member moved(std::move(member));
    EXPECT_EQ(tasks_.size(), 1U);
  }
  EXPECT_EQ(tasks_.size(), 0U);
}

}  // namespace
}  // namespace tapring
