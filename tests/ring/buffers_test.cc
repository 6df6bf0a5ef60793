// SPDX-License-Identifier: MIT
#include "ring/buffers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ring/task.h"
#include "tests/sim/loop.h"

namespace tapring {
namespace {

constexpr std::size_t kPage = BufferPool::kPageBytes;
constexpr std::size_t kWhole = BufferPool::kMaxBufferBytes;

/// A pool of one largest buffer.
class BufferPoolTest : public testing::Test {
 protected:
  Detached acquire(std::size_t bytes, std::optional<Buffer>& into, char name = ' ') {
    Buffer buffer = co_await pool_.acquire(bytes);
    into.emplace(std::move(buffer));
    served_ += name;
  }

  /// Gives a buffer back as a coroutine would: in a turn of the loop.
  void give_back(std::optional<Buffer>& buffer) {
    loop_.post([&buffer] { buffer.reset(); });
    world_.run_until_idle();
  }

  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimLoop loop_{world_, storage_};
  BufferPool pool_{loop_, kWhole};
  std::string served_;
};

TEST_F(BufferPoolTest, BuffersAreAlignedToPages) {
  std::optional<Buffer> first;
  std::optional<Buffer> second;
  acquire(1, first);
  acquire(kPage + 1, second);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first->data()) % kPage, 0U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second->data()) % kPage, 0U);
  EXPECT_EQ(pool_.lent_bytes(), 3 * kPage);
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
  give_back(first);
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
  give_back(taken);
  give_back(large);
  EXPECT_EQ(served_, "abc");
}

TEST_F(BufferPoolTest, NothingIsLentAtTheEnd) {
  {
    std::optional<Buffer> buffer;
    acquire(5 * kPage, buffer);
    EXPECT_EQ(pool_.lent_bytes(), 8 * kPage);
  }
  EXPECT_EQ(pool_.lent_bytes(), 0U);
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

}  // namespace
}  // namespace tapring
