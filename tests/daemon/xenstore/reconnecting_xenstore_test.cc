// SPDX-License-Identifier: MIT
#include "daemon/xenstore/reconnecting_xenstore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "daemon/xenstore/xenstore_update.h"
#include "tests/sim/xenstored.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

class ReconnectingXenstoreTest : public testing::Test {
 protected:
  ReconnectingXenstoreTest() {
    store_.write({{"/a", "1"}, {"/d/a", ""}});
    reconnecting_.deliver_to([this](const WatchEvent& event) { seen_.push_back(event.path); });
  }

  std::unique_ptr<XenstoreConnection> open() {
    attempts_.push_back(world_.now());
    return xenstored_.connect(control_, 0);
  }

  void connect() {
    reconnecting_.connect([this] { on_connected(); });
    world_.run_for(10ms);
  }

  void on_connected() {
    if (reconnecting_.read("/a") == "no") throw std::runtime_error("not this one");
    ++connections_;
  }

  sim::SimWorld world_{1};
  sim::SimMachine machine_{world_};
  sim::SimStore store_;
  sim::SimExecutor control_{world_};
  sim::SimXenstored xenstored_{world_, machine_, store_};
  ReconnectingXenstore reconnecting_{[this] { return open(); }, control_, control_};
  std::vector<std::string> seen_;
  std::vector<sim::Time> attempts_;
  int connections_ = 0;
};

TEST_F(ReconnectingXenstoreTest, ConnectsAtOnceWhereItCan) {
  connect();
  EXPECT_EQ(connections_, 1);
  EXPECT_EQ(reconnecting_.absence(), "");
  EXPECT_EQ(reconnecting_.read("/a"), "1");
}

TEST_F(ReconnectingXenstoreTest, WaitsForAServiceThatIsNotThereYet) {
  xenstored_.go_away(5s);
  connect();
  EXPECT_EQ(connections_, 0);
  EXPECT_THAT(reconnecting_.absence(), testing::HasSubstr("cannot reach xenstored"));
  EXPECT_THROW(reconnecting_.read("/a"), XenstoreLost);
  EXPECT_THROW(reconnecting_.list("/a"), XenstoreLost);
  EXPECT_THROW(reconnecting_.begin(), XenstoreLost);
  EXPECT_THROW(reconnecting_.watch("/a", "t"), XenstoreLost);
  EXPECT_THROW(reconnecting_.domain_alive(0), XenstoreLost);
  world_.run_for(10s);
  EXPECT_EQ(connections_, 1);
  EXPECT_EQ(reconnecting_.absence(), "");
  EXPECT_EQ(reconnecting_.read("/a"), "1");
}

TEST_F(ReconnectingXenstoreTest, TheLongerItIsAwayTheSeldomerItIsTried) {
  xenstored_.go_away(60s);
  connect();
  world_.run_for(60s);
  ASSERT_GE(attempts_.size(), 8U);
  EXPECT_LE(attempts_.size(), 30U);
  EXPECT_EQ(attempts_[1] - attempts_[0] < 150ms, true);
  EXPECT_EQ(attempts_[7] - attempts_[6] >= ReconnectingXenstore::kLongestPause, true);
}

TEST_F(ReconnectingXenstoreTest, WatchesComeBackAndFire) {
  connect();
  reconnecting_.watch("/a", "t");
  reconnecting_.watch("/b", "t");
  reconnecting_.unwatch("/b", "t");
  world_.run_for(10ms);
  seen_.clear();
  xenstored_.go_away(1s);
  world_.run_for(500ms);
  EXPECT_NE(reconnecting_.absence(), "");
  EXPECT_THAT(seen_, testing::IsEmpty());
  world_.run_for(3s);
  EXPECT_EQ(connections_, 2);
  EXPECT_THAT(seen_, testing::ElementsAre("/a"));
  store_.write({{"/a/c", "2"}});
  world_.run_for(10ms);
  EXPECT_EQ(seen_.back(), "/a/c");
}

TEST_F(ReconnectingXenstoreTest, AWatchThatIsEndedWhileItIsAwayDoesNotComeBack) {
  connect();
  reconnecting_.watch("/a", "t");
  xenstored_.go_away(1s);
  world_.run_for(10ms);
  reconnecting_.unwatch("/a", "t");
  seen_.clear();
  world_.run_for(3s);
  EXPECT_EQ(connections_, 2);
  EXPECT_THAT(seen_, testing::IsEmpty());
}

TEST_F(ReconnectingXenstoreTest, WhoeverAsksIsTheFirstToLearnOfALoss) {
  connect();
  xenstored_.go_away(0s);
  EXPECT_THROW(reconnecting_.read("/a"), XenstoreLost);
  EXPECT_NE(reconnecting_.absence(), "");
  world_.run_for(200ms);
  EXPECT_EQ(reconnecting_.read("/a"), "1");
  EXPECT_EQ(connections_, 2);
}

TEST_F(ReconnectingXenstoreTest, AnUpdateIsDoneOrNotWhereTheConnectionIsLostInIt) {
  connect();
  for (uint64_t call = 1; call <= 4; ++call) {  // begin, read, write, commit
    xenstored_.go_away_at(call, 0s);
    EXPECT_THROW(update(reconnecting_, "/d", {"a"}, {{"b", std::to_string(call)}}), XenstoreLost);
    EXPECT_FALSE(store_.exists("/d/b"));
    world_.run_for(200ms);
    EXPECT_EQ(reconnecting_.absence(), "");
  }
}

TEST_F(ReconnectingXenstoreTest, ARefusalIsNoLoss) {
  connect();
  reconnecting_.watch("/a", "t");
  EXPECT_THROW(reconnecting_.watch("/a", "t"), std::system_error);
  EXPECT_EQ(reconnecting_.absence(), "");
}

TEST_F(ReconnectingXenstoreTest, AConnectionThatIsNotGreetedIsGivenUpAndMadeAgain) {
  store_.write({{"/a", "no"}});
  connect();
  world_.run_for(1s);
  EXPECT_EQ(reconnecting_.absence(), "not this one");
  EXPECT_THROW(reconnecting_.read("/a"), XenstoreLost);
  EXPECT_GT(attempts_.size(), 2U);
  store_.write({{"/a", "1"}});
  world_.run_for(ReconnectingXenstore::kLongestPause);
  EXPECT_EQ(reconnecting_.absence(), "");
  EXPECT_EQ(connections_, 1);
}

}  // namespace
}  // namespace tapring
