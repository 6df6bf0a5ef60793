// SPDX-License-Identifier: MIT
#include "ring/loop.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/sim/loop.h"

namespace tapring {
namespace {

/// Notes when it is flushed; has work so many times.
class NotedBatch final : public Batch {
 public:
  NotedBatch(std::string& notes, char name, int work) : notes_(notes), name_(name), work_(work) {}

  bool flush() override {
    if (work_ == 0) return false;
    --work_;
    notes_ += name_;
    return true;
  }

 private:
  std::string& notes_;
  char name_;
  int work_;
};

/// Has so many pieces of work, and then, when it is armed, some more.
class NotedSource final : public Pollable {
 public:
  NotedSource(std::string& notes, int work) : notes_(notes), work_(work) {}

  void give(int work) { work_ += work; }
  void give_when_armed(int work) { late_work_ = work; }

  bool has_work() const noexcept override { return work_ > 0; }
  void poll() override {
    if (work_ == 0) return;
    --work_;
    notes_ += 'p';
  }
  bool arm() override {
    work_ += std::exchange(late_work_, 0);
    if (work_ > 0) return true;
    notes_ += 'a';
    return false;
  }

 private:
  std::string& notes_;
  int work_;
  int late_work_ = 0;
};

class LoopTest : public testing::Test {
 protected:
  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  std::string notes_;
};

TEST_F(LoopTest, PostedWorkRunsInOrder) {
  for (const char c : {'a', 'b', 'c'}) loop_.post([this, c] { notes_ += c; });
  EXPECT_EQ(notes_, "");
  world_.run_until_idle();
  EXPECT_EQ(notes_, "abc");
}

TEST_F(LoopTest, WorkPostedTogetherTakesOneTurn) {
  for (int i = 0; i < 10; ++i) loop_.post([] {});
  world_.run_until_idle();
  EXPECT_EQ(loop_.turns(), 1U);
}

TEST_F(LoopTest, WorkPostedByWorkRunsInALaterTurn) {
  loop_.post([this] {
    loop_.post([this] { notes_ += 'b'; });
    notes_ += 'a';
  });
  world_.run_until_idle();
  EXPECT_EQ(notes_, "ab");
  EXPECT_EQ(loop_.turns(), 2U);
}

TEST_F(LoopTest, BatchesAreFlushedInOrderUntilNoneHasWork) {
  NotedBatch first(notes_, 'x', 2);
  NotedBatch second(notes_, 'y', 1);
  loop_.add_batch(first);
  loop_.add_batch(second);
  loop_.post([this] { notes_ += 'w'; });
  world_.run_until_idle();
  EXPECT_EQ(notes_, "wxyx");
}

TEST_F(LoopTest, ARemovedBatchIsNotFlushed) {
  NotedBatch batch(notes_, 'x', 1);
  loop_.add_batch(batch);
  loop_.remove_batch(batch);
  loop_.post([] {});
  world_.run_until_idle();
  EXPECT_EQ(notes_, "");
}

TEST_F(LoopTest, WhatIsPolledIsArmedOnceWhenItHasNoMoreWork) {
  NotedSource source(notes_, 3);
  loop_.post([&] { loop_.poll(source); });
  world_.run_until_idle();
  EXPECT_EQ(notes_, "pppa");
}

TEST_F(LoopTest, WorkThatComesWhileItIsArmedIsTaken) {
  NotedSource source(notes_, 1);
  source.give_when_armed(2);
  loop_.post([&] { loop_.poll(source); });
  world_.run_until_idle();
  EXPECT_EQ(notes_, "pppa");
}

TEST_F(LoopTest, WhatIsArmedIsNotPolled) {
  NotedSource source(notes_, 1);
  loop_.post([&] { loop_.poll(source); });
  world_.run_until_idle();
  source.give(1);
  loop_.post([] {});
  world_.run_until_idle();
  EXPECT_EQ(notes_, "pa");
}

TEST_F(LoopTest, WhatIsPolledTwiceIsPolledOnceATurn) {
  NotedSource source(notes_, 1);
  loop_.post([&] {
    loop_.poll(source);
    loop_.poll(source);
  });
  world_.run_until_idle();
  EXPECT_EQ(notes_, "pa");
}

TEST_F(LoopTest, WhatIsNoMorePolledIsLeftAlone) {
  NotedSource source(notes_, 3);
  loop_.post([&] {
    loop_.poll(source);
    loop_.stop_polling(source);
  });
  world_.run_until_idle();
  EXPECT_EQ(notes_, "");
}

TEST_F(LoopTest, TurnTimeIsTheTurnsOwn) {
  Loop::Clock::time_point seen;
  loop_.post([&] { seen = loop_.turn_time(); });
  world_.run_until_idle();
  EXPECT_EQ(seen.time_since_epoch(), world_.now());
}

}  // namespace
}  // namespace tapring
