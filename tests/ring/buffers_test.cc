// SPDX-License-Identifier: MIT
#include "ring/buffers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ring/task.h"
#include "tests/sim/loop.h"

namespace tapring {
namespace {

constexpr std::size_t kPage = kPageBytes;
constexpr std::size_t kWhole = BufferPool::kMaxBufferBytes;

/// A pool of one largest buffer.
class BufferPoolTest : public testing::Test {
 protected:
  Detached acquire(std::size_t bytes, std::optional<Buffer>& into, char name = ' ') {
    Buffer buffer = co_await share_.acquire(bytes);
    into.emplace(std::move(buffer));
    served_ += name;
  }

  /// Gives a buffer back as a coroutine would: in a turn of the loop.
  void free(std::optional<Buffer>& buffer) {
    loop_.post([&buffer] { buffer.reset(); });
    world_.run_until_idle();
  }

  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  BufferPool pool_{loop_, kWhole};
  BufferQuota share_{pool_};
  std::string served_;
};

TEST_F(BufferPoolTest, BuffersAreAlignedToPages) {
  std::optional<Buffer> first;
  std::optional<Buffer> second;
  acquire(1, first);
  acquire(kPage + 1, second);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first->data()) % kPage, 0U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second->data()) % kPage, 0U);
  EXPECT_EQ(pool_.bytes_in_use(), 3 * kPage);
}

TEST_F(BufferPoolTest, BuffersDoNotOverlap) {
  std::vector<std::optional<Buffer>> buffers(kWhole / kPage);
  std::set<std::byte*> places;
  for (auto& buffer : buffers) {
    acquire(kPage, buffer);
    ASSERT_TRUE(buffer);
    places.insert(buffer->data());
  }
  EXPECT_EQ(places.size(), buffers.size());
}

TEST_F(BufferPoolTest, WhatIsGivenBackJoinsAgain) {
  {
    std::vector<std::optional<Buffer>> buffers(kWhole / kPage);
    for (auto& buffer : buffers) acquire(kPage, buffer);
  }
  std::optional<Buffer> whole;
  acquire(kWhole, whole);
  EXPECT_TRUE(whole);
}

TEST_F(BufferPoolTest, WaitsUntilMemoryIsGivenBack) {
  std::optional<Buffer> first;
  std::optional<Buffer> second;
  acquire(kWhole, first);
  acquire(kPage, second);
  EXPECT_FALSE(second);
  free(first);
  EXPECT_TRUE(second);
}

TEST_F(BufferPoolTest, WhoAskedFirstIsServedFirst) {
  std::optional<Buffer> taken;
  std::optional<Buffer> large;
  std::optional<Buffer> small;
  acquire(kPage, taken, 'a');
  acquire(kWhole, large, 'b');
  acquire(kPage, small, 'c');  // there is room, but 'b' must not starve
  EXPECT_FALSE(small);
  free(taken);
  free(large);
  EXPECT_EQ(served_, "abc");
}

TEST_F(BufferPoolTest, NothingIsLentAtTheEnd) {
  {
    std::optional<Buffer> buffer;
    acquire(5 * kPage, buffer);
    EXPECT_EQ(pool_.bytes_in_use(), 8 * kPage);
  }
  EXPECT_EQ(pool_.bytes_in_use(), 0U);
}

TEST_F(BufferPoolTest, EveryMixOfSizesFitsAgainAfterwards) {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::optional<Buffer>> buffers(8);
    for (auto& buffer : buffers) acquire(world_.random().between(1, kWhole / 16), buffer);
  }
  std::optional<Buffer> whole;
  acquire(kWhole, whole);
  EXPECT_TRUE(whole);
}

/// A pool of four steps.
class StepsOfMemoryTest : public testing::Test {
 protected:
  static constexpr std::size_t kStep = Arena::kStepBytes;
  static constexpr auto kKept = std::chrono::nanoseconds(BufferPool::kKept);

  Detached keep(std::size_t count) {
    std::vector<Buffer> buffers;
    for (std::size_t i = 0; i < count; ++i) buffers.push_back(co_await share_.acquire(kWhole));
    taken_while_kept_ = pool_.bytes_taken();
  }

  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  BufferPool pool_{loop_, 4 * kStep};
  BufferQuota share_{pool_};
  std::size_t taken_while_kept_ = 0;
};

TEST_F(StepsOfMemoryTest, AsMuchIsTakenAsIsNeeded) {
  EXPECT_EQ(pool_.bytes_taken(), kStep);
  keep(2);
  EXPECT_EQ(taken_while_kept_, kStep);
  keep(5);
  EXPECT_EQ(taken_while_kept_, 3 * kStep);
}

TEST_F(StepsOfMemoryTest, WhatIsNotNeededAnyMoreIsGivenBackInTheEnd) {
  loop_.post([this] { keep(6); });
  world_.run_for(2 * kKept);
  EXPECT_EQ(taken_while_kept_, 3 * kStep);
  world_.run_until_idle();
  EXPECT_EQ(pool_.bytes_taken(), kStep);
}

TEST_F(StepsOfMemoryTest, WhatIsNeededAgainAndAgainIsKept) {
  for (int round = 0; round < 20; ++round) {
    loop_.post([this] { keep(4); });
    world_.run_for(kKept / 2);
  }
  EXPECT_EQ(pool_.bytes_taken(), 2 * kStep);
}

/// A pool of eight largest buffers and two users.
class BufferShareTest : public testing::Test {
 protected:
  using Held = std::deque<std::optional<Buffer>>;

  BufferShareTest() { let_time_pass({}); }

  Detached acquire(BufferQuota& quota, std::size_t bytes, std::optional<Buffer>& into, char name) {
    Buffer buffer = co_await quota.acquire(bytes);
    into.emplace(std::move(buffer));
    served_ += name;
  }

  /// Asks as often for the largest buffer.
  void ask(BufferQuota& quota, int times, Held& held, char name = ' ') {
    for (int i = 0; i < times; ++i) acquire(quota, kWhole, held.emplace_back(), name);
  }

  void free(std::optional<Buffer>& buffer) {
    loop_.post([&buffer] { buffer.reset(); });
    world_.run_until_idle();
  }

  /// In the order of asking: who only waits for its own quota is overtaken meanwhile.
  void give_back_all(Held& held) {
    for (auto& buffer : held) {
      ASSERT_TRUE(buffer);
      free(buffer);
    }
  }

  void let_time_pass(sim::Time time) {
    world_.run_for(time);
    loop_.post([] {});
    world_.run_until_idle();
  }

  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  BufferPool pool_{loop_, 8 * kWhole};
  BufferQuota streamer_{pool_};
  BufferQuota neighbour_{pool_};
  std::string served_;
};

TEST_F(BufferShareTest, AloneItLeavesRoomForAnother) {
  Held held;
  ask(streamer_, 8, held);
  EXPECT_EQ(streamer_.bytes_in_use(), 8 * kWhole - BufferPool::kReservedBytes);
  std::optional<Buffer> first;
  acquire(neighbour_, kWhole, first, 'n');
  EXPECT_TRUE(first);
  give_back_all(held);
}

TEST_F(BufferShareTest, WhatAStalledOneKeepsOthersGetElsewhere) {
  BufferQuota third(pool_);
  Held stuck, of_neighbour, of_third;
  ask(streamer_, 6, stuck);
  ask(neighbour_, 2, of_neighbour);
  ask(third, 2, of_third, '3');
  EXPECT_EQ(third.bytes_in_use(), 0U);
  const auto set_stalled = [&](bool stalled) {
    loop_.post([&, stalled] { streamer_.set_stalled(stalled); });
    world_.run_until_idle();
  };
  set_stalled(true);
  EXPECT_EQ(served_.substr(8), "33");
  ask(streamer_, 1, stuck);
  EXPECT_FALSE(stuck.back()) << "it keeps what it gets";
  for (std::size_t i = 0; i < 6; ++i) free(stuck[i]);
  EXPECT_FALSE(stuck.back());
  set_stalled(false);
  EXPECT_TRUE(stuck.back());
  give_back_all(of_third);
  EXPECT_EQ(pool_.bytes_in_use(), 3 * kWhole);
}

TEST_F(BufferShareTest, HowEverManyStallOneAfterAnotherTheNextIsServed) {
  std::deque<BufferQuota> stalled;
  Held stuck;
  for (int i = 0; i < 20; ++i) {
    BufferQuota& quota = stalled.emplace_back(pool_);
    ask(quota, i == 0 ? 6 : 2, stuck);
    EXPECT_TRUE(stuck.back()) << i;
    quota.set_stalled(true);
  }
  EXPECT_LE(pool_.bytes_in_use(), 8 * kWhole + stalled.size() * BufferPool::kContendedBytes);
}

TEST_F(BufferShareTest, WhileAnotherIsActiveItHasItsShare) {
  Held small;
  acquire(neighbour_, 1, small.emplace_back(), 'n');
  Held held;
  ask(streamer_, 8, held);
  EXPECT_EQ(streamer_.bytes_in_use(), BufferPool::kContendedBytes);
  give_back_all(held);
  EXPECT_EQ(streamer_.bytes_in_use(), 0U);
}

TEST_F(BufferShareTest, WhoHasItsShareHoldsUpNobody) {
  Held small, held;
  acquire(neighbour_, 1, small.emplace_back(), 'n');
  ask(streamer_, 8, held);
  acquire(neighbour_, 1, small.emplace_back(), 'n');
  EXPECT_TRUE(small.back());
  give_back_all(held);
}

TEST_F(BufferShareTest, AShareThatWasIdleForAWhileLimitsNobody) {
  {
    std::optional<Buffer> small;
    acquire(neighbour_, 1, small, 'n');
  }
  let_time_pass(BufferPool::kActive);
  Held held;
  ask(streamer_, 6, held);
  EXPECT_EQ(streamer_.bytes_in_use(), 6 * kWhole);
}

TEST_F(BufferShareTest, WhoWaitsForMemoryIsServedInTurn) {
  BufferPool pool(loop_, 2 * kWhole);
  BufferQuota first(pool), second(pool);
  Held held, of_first, of_second;
  ask(first, 2, held, 'x');
  ask(first, 3, of_first, '1');
  ask(second, 3, of_second, '2');
  give_back_all(held);
  EXPECT_EQ(served_, "xx12");
  free(of_first[0]);
  free(of_second[0]);
  EXPECT_EQ(served_, "xx1212");
  for (Held* rest : {&of_first, &of_second}) {
    for (std::size_t i : {1U, 2U}) free((*rest)[i]);
  }
}

}  // namespace
}  // namespace tapring
