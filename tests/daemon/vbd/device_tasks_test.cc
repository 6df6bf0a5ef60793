// SPDX-License-Identifier: MIT
#include "daemon/vbd/device_tasks.h"

#include <memory>
#include <system_error>

#include "tests/daemon/vbd/device_parts.h"

namespace tapring {
namespace {

using std::chrono::seconds;

class DeviceTasksTest : public DeviceParts {
 protected:
  bool done_ = false;
};

TEST_F(DeviceTasksTest, ATimerWaitsForItsTime) {
  tasks_.after(seconds(2), [this] { done_ = true; });
  world_.run_for(seconds(1));
  EXPECT_FALSE(done_);
  world_.run_for(seconds(2));
  EXPECT_TRUE(done_);
}

TEST_F(DeviceTasksTest, ATimerIsDroppedWithItsDevice) {
  tasks_.after(seconds(2), [this] { done_ = true; });
  device_.reset();
  world_.run_for(seconds(3));
  EXPECT_FALSE(done_);
}

TEST_F(DeviceTasksTest, WhatAnyThreadPostsIsDroppedWithTheDevice) {
  const std::function<void()> post = tasks_.poster([this] { done_ = true; });
  post();
  EXPECT_FALSE(done_);
  EXPECT_TRUE(run_until([this] { return done_; }));
  done_ = false;
  post();
  device_.reset();
  world_.run_for(seconds(1));
  EXPECT_FALSE(done_);
}

TEST_F(DeviceTasksTest, TheBackgroundKeepsTheDeviceAliveUntilItsResultIsThere) {
  int result = 0;
  tasks_.run("line", [] { return 7; }, [&result](int value) { result = value; });
  const std::weak_ptr<int> device = std::exchange(device_, nullptr);
  EXPECT_FALSE(device.expired());
  EXPECT_TRUE(run_until([&device] { return device.expired(); }));
  EXPECT_EQ(result, 7);
}

TEST_F(DeviceTasksTest, NothingRunsWhereTooMuchWaits) {
  background_.limit(0);
  EXPECT_THROW(tasks_.run("line", [this] { return done_ = true; }, [](bool) {}), std::system_error);
  world_.run_for(seconds(1));
  EXPECT_FALSE(done_);
}

TEST_F(DeviceTasksTest, WhatMustBeDoneBlocksTheControlThreadWhereTooMuchWaits) {
  background_.limit(0);
  bool then = false;
  tasks_.run_or_block("line", [this] { done_ = true; }, [&then] { then = true; });
  EXPECT_TRUE(done_);
  EXPECT_FALSE(then);
  EXPECT_TRUE(run_until([&then] { return then; }));
}

}  // namespace
}  // namespace tapring
