// SPDX-License-Identifier: MIT
// Whether a storage that no longer answers is noticed, and no other.
#include "daemon/datapath/storage_load.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "tests/sim/loop.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using Request = std::optional<StorageLoad::Request>;

class StorageLoadTest : public testing::Test {
 protected:
  void begin(Request& request) {
    loop_.post([this, &request] { request.emplace(load_); });
    world_.run_for(1ms);
  }
  void end(Request& request) {
    loop_.post([&request] { request.reset(); });
    world_.run_for(1ms);
  }

  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  BufferPool pool_{loop_, BufferPool::kMaxBufferBytes};
  StallWatch watch_{loop_};
  BufferQuota buffers_{pool_};
  StorageLoad load_{watch_, buffers_};
};

TEST_F(StorageLoadTest, IsStalledWhileARequestIsOlderThanTheTime) {
  Request stuck;
  begin(stuck);
  world_.run_for(StorageLoad::kStalled - 10ms);
  EXPECT_FALSE(load_.is_stalled());
  world_.run_for(StorageLoad::kStalled / 2);
  EXPECT_TRUE(load_.is_stalled());
  end(stuck);
  EXPECT_FALSE(load_.is_stalled());
}

TEST_F(StorageLoadTest, WhatIsAnsweredBesideTheStuckOneChangesNothing) {
  Request stuck;
  begin(stuck);
  for (int i = 0; i < 30; ++i) {
    Request quick;
    begin(quick);
    world_.run_for(100ms);
    end(quick);
  }
  EXPECT_TRUE(load_.is_stalled());
  end(stuck);
}

TEST_F(StorageLoadTest, ManySlowRequestsInTurnAreNoStall) {
  std::deque<Request> requests(2);
  for (Request& request : requests) begin(request);
  for (int i = 0; i < 20; ++i) {
    world_.run_for(400ms);
    end(requests.front());
    requests.pop_front();
    begin(requests.emplace_back());
    EXPECT_FALSE(load_.is_stalled());
  }
  for (Request& request : requests) end(request);
}

/// A second later, and then never again.
TEST_F(StorageLoadTest, ALoopWithNothingButStuckRequestsSleeps) {
  Request stuck;
  begin(stuck);
  world_.run_for(5s);
  const uint64_t turns = loop_.turns();
  world_.run_for(60s);
  EXPECT_EQ(loop_.turns(), turns);
  end(stuck);
}

TEST_F(StorageLoadTest, OneThatStartsAfterALongIdleTimeIsYoung) {
  Request first;
  begin(first);
  end(first);
  world_.run_for(10s);
  begin(first);
  world_.run_for(900ms);
  EXPECT_FALSE(load_.is_stalled());
  end(first);
}

}  // namespace
}  // namespace tapring
