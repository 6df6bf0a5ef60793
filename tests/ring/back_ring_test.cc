// SPDX-License-Identifier: MIT
#include "ring/back_ring.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "ring/grants.h"
#include "tests/sim/front_ring.h"

namespace tapring {
namespace {

using sim::FrontRequest;
using sim::FrontRing;

/// A guest and a backend at the two ends of some pages.
class BackRingTest : public testing::Test {
 protected:
  static constexpr std::size_t kMostPages = 16;

  explicit BackRingTest(std::size_t pages = 1, Abi abi = Abi::x86_64)
      : memory_(std::span(storage_).first(pages * kPageBytes)),
        front_(memory_, abi),
        back_(memory_, abi) {}

  void put(uint64_t id) {
    front_.put({.operation = sim::kGuestRead, .segment_count = 1, .id = id});
  }

  void put_and_push(uint64_t count) {
    for (uint64_t id = 0; id < count; ++id) put(id);
    front_.push();
  }

  std::optional<Request> take() { return back_.take(copy_); }

  uint32_t take_all() {
    uint32_t taken = 0;
    while (take()) ++taken;
    return taken;
  }

  void respond(uint64_t id) { back_.respond(id, sim::kGuestRead, BlkifStatus::okay); }

  alignas(kPageBytes) std::array<std::byte, kMostPages * kPageBytes> storage_{};
  std::span<std::byte> memory_;
  FrontRing front_;
  BackRing back_;
  std::array<std::byte, kLayout64.entry_bytes> copy_{};
};

using BackRingOfOnePage = BackRingTest;

TEST_F(BackRingOfOnePage, HasThirtyTwoEntries) { EXPECT_EQ(back_.size(), 32U); }

TEST_F(BackRingOfOnePage, TakesNothingFromAnEmptyRing) {
  EXPECT_FALSE(take());
  EXPECT_FALSE(back_.broken());
}

TEST_F(BackRingOfOnePage, SeesARequestOnlyOncePushed) {
  put(7);
  EXPECT_FALSE(take());
  front_.push();
  const auto request = take();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->id, 7U);
  EXPECT_FALSE(take());
}

TEST_F(BackRingOfOnePage, TellsOfARequestWithoutTakingIt) {
  EXPECT_FALSE(back_.has_request());
  put_and_push(1);
  EXPECT_TRUE(back_.has_request());
  EXPECT_EQ(take_all(), 1U);
  EXPECT_FALSE(back_.has_request());
}

// Else who polls it would wait for ever for what take() never gives.
TEST_F(BackRingOfOnePage, ABrokenRingHasNoRequest) {
  front_.set_producer(33);
  EXPECT_TRUE(back_.has_request());
  EXPECT_FALSE(take());
  EXPECT_FALSE(back_.has_request());
}

TEST_F(BackRingOfOnePage, TakesAFullRing) {
  put_and_push(32);
  EXPECT_EQ(take_all(), 32U);
  EXPECT_EQ(back_.in_flight(), 32U);
  EXPECT_FALSE(back_.broken());
}

TEST_F(BackRingOfOnePage, ProducerBeyondRingSizeBreaksTheRing) {
  front_.set_producer(33);
  EXPECT_FALSE(take());
  EXPECT_TRUE(back_.broken());
}

TEST_F(BackRingOfOnePage, ProducerTwoBillionAheadBreaksTheRing) {
  front_.set_producer(0x80000000U);
  EXPECT_FALSE(take());
  EXPECT_TRUE(back_.broken());
}

TEST_F(BackRingOfOnePage, ProducerSetBackBreaksTheRing) {
  put_and_push(8);
  take_all();
  front_.set_producer(4);
  EXPECT_FALSE(take());
  EXPECT_TRUE(back_.broken());
}

TEST_F(BackRingOfOnePage, ABrokenRingStaysBroken) {
  front_.set_producer(33);
  EXPECT_FALSE(take());
  front_.set_producer(1);
  EXPECT_FALSE(take());
  EXPECT_FALSE(back_.arm());
}

TEST_F(BackRingOfOnePage, AResponseThatTheGuestCannotSeeMakesNoRoom) {
  put_and_push(32);
  take_all();
  respond(1);
  front_.set_producer(33);
  EXPECT_FALSE(take());
  EXPECT_TRUE(back_.broken());
}

TEST_F(BackRingOfOnePage, UnansweredRequestsCountAgainstTheRing) {
  put_and_push(32);
  take_all();
  front_.set_producer(33);
  EXPECT_FALSE(take());
  EXPECT_TRUE(back_.broken());
}

TEST_F(BackRingOfOnePage, AResponseIsSeenAfterPush) {
  put_and_push(1);
  take();
  respond(0);
  EXPECT_FALSE(front_.take());
  back_.push();
  const auto response = front_.take();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->id, 0U);
  EXPECT_EQ(response->status, sim::kGuestOkay);
}

TEST_F(BackRingOfOnePage, AResponseRepeatsOperationAndStatus) {
  put_and_push(1);
  take();
  back_.respond(0x1122334455667788, 0xC3, BlkifStatus::not_supported);
  back_.push();
  const auto response = front_.take();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->id, 0x1122334455667788U);
  EXPECT_EQ(response->operation, 0xC3);
  EXPECT_EQ(response->status, sim::kGuestNotSupported);
}

TEST_F(BackRingOfOnePage, AResponseCarriesNothingElse) {
  put_and_push(1);
  take();
  const auto before = storage_;
  respond(0);
  // id, operation and status, of the 112 bytes of the entry
  for (std::size_t i = 0; i < 112; ++i) {
    if (i < 9 || i == 10 || i == 11) continue;
    EXPECT_EQ(storage_[64 + i], before[64 + i]) << "byte " << i;
  }
}

TEST_F(BackRingOfOnePage, NotifiesOnlyAGuestThatAsked) {
  put_and_push(2);
  take_all();
  respond(0);
  EXPECT_TRUE(back_.push());
  respond(1);
  EXPECT_FALSE(back_.push());
}

TEST_F(BackRingOfOnePage, NotifiesOnceForABatch) {
  put_and_push(3);
  take_all();
  for (uint64_t id = 0; id < 3; ++id) respond(id);
  EXPECT_TRUE(back_.push());
  EXPECT_FALSE(back_.push());
}

TEST_F(BackRingOfOnePage, AnArmedRingIsNotified) {
  EXPECT_FALSE(back_.arm());
  put(0);
  EXPECT_TRUE(front_.push());
  put(1);
  EXPECT_FALSE(front_.push());
}

TEST_F(BackRingOfOnePage, ArmSeesWhatCameMeanwhile) {
  put_and_push(1);
  EXPECT_TRUE(back_.arm());
  take_all();
  EXPECT_FALSE(back_.arm());
}

TEST_F(BackRingOfOnePage, IndicesWrapAroundTwoToTheThirtyTwo) {
  const uint32_t start = 0xFFFFFFF0U;
  for (const std::size_t index : {0U, 8U}) std::memcpy(&storage_[index], &start, sizeof start);
  BackRing late(memory_, Abi::x86_64);
  front_.set_producer(start + 32);
  uint32_t taken = 0;
  while (late.take(copy_)) ++taken;
  EXPECT_EQ(taken, 32U);
  for (uint32_t i = 0; i < 32; ++i) late.respond(i, 0, BlkifStatus::okay);
  late.push();
  EXPECT_EQ(late.unanswered(), 0U);
}

TEST_F(BackRingOfOnePage, BeginsWhereTheLastOneAnswered) {
  put_and_push(3);
  take_all();
  respond(0);
  back_.push();
  BackRing successor(memory_, Abi::x86_64);
  EXPECT_EQ(successor.unanswered(), 2U);
  const auto request = successor.take(copy_);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->id, 1U);
}

TEST_F(BackRingOfOnePage, SkipsWhatSomebodyTookBefore) {
  put_and_push(3);
  EXPECT_FALSE(back_.skip(4));
  ASSERT_TRUE(back_.skip(2));
  EXPECT_EQ(back_.in_flight(), 2U);
  const auto request = take();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->id, 2U);
  EXPECT_FALSE(take());
}

TEST_F(BackRingOfOnePage, SkipsNothingInARingWithImpossibleIndices) {
  front_.set_producer(33);
  EXPECT_FALSE(back_.skip(1));
}

TEST_F(BackRingOfOnePage, ATakenRequestIsACopy) {
  front_.put({.operation = sim::kGuestRead, .segment_count = 1, .id = 5, .sector = 9});
  front_.push();
  const auto request = take();
  std::ranges::fill(memory_.subspan(64), std::byte{0xFF});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->sector, 9U);
}

/// Every ABI over every ring order.
class EveryRing : public testing::TestWithParam<std::tuple<Abi, unsigned>> {
 protected:
  EveryRing()
      : memory_(std::span(storage_).first(kPageBytes << std::get<1>(GetParam()))),
        front_(memory_, std::get<0>(GetParam())),
        back_(memory_, std::get<0>(GetParam())) {}

  void round_trip(uint64_t id) {
    front_.put({.operation = sim::kGuestWrite, .segment_count = 11, .id = id, .sector = id * 3});
    front_.push();
    const auto request = back_.take(copy_);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->id, id);
    EXPECT_EQ(request->sector, id * 3);
    back_.respond(id, request->operation, BlkifStatus::okay);
    back_.push();
    const auto response = front_.take();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->id, id);
  }

  alignas(kPageBytes) std::array<std::byte, kPageBytes << 4U> storage_{};
  std::span<std::byte> memory_;
  FrontRing front_;
  BackRing back_;
  std::array<std::byte, kLayout64.entry_bytes> copy_{};
};

TEST_P(EveryRing, BothEndsCountTheSameEntries) { EXPECT_EQ(back_.size(), front_.size()); }

TEST_P(EveryRing, GoesRoundMoreThanOnce) {
  for (uint64_t id = 0; id < 2 * front_.size() + 1; ++id) round_trip(id);
}

TEST_P(EveryRing, EveryEntryHasAPlaceOfItsOwn) {
  for (uint64_t id = 0; id < front_.size(); ++id) {
    front_.put({.operation = sim::kGuestRead, .segment_count = 1, .id = id});
  }
  front_.push();
  for (uint64_t id = 0; id < front_.size(); ++id) {
    const auto request = back_.take(copy_);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->id, id);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Abis, EveryRing,
    testing::Combine(testing::Values(Abi::x86_64, Abi::x86_32), testing::Range(0U, 5U)),
    [](const auto& parameters) {
      return std::string(std::get<0>(parameters.param) == Abi::x86_32 ? "x86_32" : "x86_64") +
             "_order" + std::to_string(std::get<1>(parameters.param));
    });

}  // namespace
}  // namespace tapring
