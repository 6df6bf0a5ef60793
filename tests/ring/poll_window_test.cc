// SPDX-License-Identifier: MIT
#include "ring/poll_window.h"

#include <gtest/gtest.h>

namespace tapring {
namespace {

using std::chrono_literals::operator""us;

class PollWindowTest : public testing::Test {
 protected:
  void wait(int times, PollWindow::Duration time, bool asleep) {
    for (int i = 0; i < times; ++i) window_.waited(time, asleep);
  }

  PollWindow window_{10us};
};

TEST_F(PollWindowTest, IsClosedAtFirst) {
  EXPECT_EQ(window_.length(), 0us);
}

TEST_F(PollWindowTest, OpensWhenSleepsProveShort) {
  wait(8, 15us, true);
  EXPECT_EQ(window_.length(), 10us);
}

TEST_F(PollWindowTest, StaysClosedWhileSleepsAreLong) {
  wait(1000, 21us, true);
  EXPECT_EQ(window_.length(), 0us);
}

TEST_F(PollWindowTest, ClosesAfterFewMisses) {
  wait(1000, 1us, false);
  wait(5, 1000us, true);
  EXPECT_EQ(window_.length(), 0us);
}

TEST_F(PollWindowTest, OneMissInAWhileLeavesItOpen) {
  wait(1000, 1us, false);
  for (int i = 0; i < 100; ++i) {
    wait(3, 5us, false);
    wait(1, 1000us, true);
    EXPECT_EQ(window_.length(), 10us) << i;
  }
}

TEST_F(PollWindowTest, HalfMissesKeepItClosed) {
  for (int i = 0; i < 100; ++i) {
    wait(1, 5us, true);
    wait(1, 1000us, true);
  }
  EXPECT_EQ(window_.length(), 0us);
}

TEST(PollWindow, WithoutALimitItNeverOpens) {
  PollWindow window;
  for (int i = 0; i < 100; ++i) window.waited(0us, true);
  EXPECT_EQ(window.length(), 0us);
}

}  // namespace
}  // namespace tapring
