// SPDX-License-Identifier: MIT
#include "daemon/host/watchdog.h"

#include <gtest/gtest.h>

#include <future>
#include <utility>
#include <vector>

namespace tapring {
namespace {

/// A thread that does what it was handed when the test says so.
class SlowThread final : public Executor {
 public:
  void post(Work work) override { posted_.push_back(std::move(work)); }
  void turn() {
    for (Work& work : std::exchange(posted_, {})) work();
  }
  std::size_t posted() const { return posted_.size(); }

 private:
  std::vector<Work> posted_;
};

class WatchdogTest : public testing::Test {
 protected:
  void look(unsigned times) {
    for (; times > 0; --times) watchdog_.look();
  }

  int beats_ = 0;
  Watchdog watchdog_{[this] { ++beats_; }};
  SlowThread thread_;
};

TEST_F(WatchdogTest, BeatsWhileAllThreadsTurn) {
  watchdog_.watch("worker-0", thread_);
  for (int i = 0; i < 20; ++i) {
    watchdog_.look();
    thread_.turn();
  }
  EXPECT_EQ(beats_, 20);
}

TEST_F(WatchdogTest, AThreadThatHangsEndsTheBeats) {
  SlowThread other;
  watchdog_.watch("worker-0", other);
  watchdog_.watch("worker-1", thread_);
  for (unsigned i = 0; i < 20; ++i) {
    watchdog_.look();
    other.turn();
  }
  EXPECT_EQ(beats_, 1 + static_cast<int>(Watchdog::kMostLooks));
  EXPECT_EQ(thread_.posted(), 1U);  // however often it is looked at
  thread_.turn();
  watchdog_.look();
  EXPECT_EQ(beats_, 2 + static_cast<int>(Watchdog::kMostLooks));
}

TEST_F(WatchdogTest, AThreadThatHasAnExcuseMayBeSlow) {
  bool excused = true;
  watchdog_.watch("control", thread_, [&] { return excused; });
  look(50);
  EXPECT_EQ(beats_, 50);
  excused = false;
  look(50);
  EXPECT_EQ(beats_, 50 + static_cast<int>(Watchdog::kMostLooks));
}

TEST_F(WatchdogTest, LooksByItself) {
  std::promise<void> beaten;
  Watchdog watchdog([&beaten, times = 0]() mutable {
    if (++times == 3) beaten.set_value();
  });
  bool asked = false;
  watchdog.start(std::chrono::milliseconds(1), [&asked] { asked = true; });
  beaten.get_future().wait();
  EXPECT_TRUE(asked);
}

}  // namespace
}  // namespace tapring
