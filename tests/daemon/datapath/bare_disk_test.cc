// SPDX-License-Identifier: MIT
// Requests that a driver in its right mind does not send, or rarely does.
#include "tests/daemon/datapath/bare_disk.h"

#include <gmock/gmock.h>

#include <map>
#include <utility>

namespace tapring {
namespace {

using sim::Access;
using sim::kGuestBarrier;
using sim::kGuestError;
using sim::kGuestFlush;
using sim::kGuestIndirect;
using sim::kGuestNotSupported;
using sim::kGuestOkay;
using sim::kGuestRead;
using sim::kGuestWrite;

constexpr GrantRef kNoSuchPage = 99'999;

TEST_F(BareDisk, TheLastSectorIsServedAndNoneBehindIt) {
  EXPECT_EQ(status(request(kGuestWrite, kSectors - 8, whole(page()))), kGuestOkay);
  EXPECT_EQ(status(request(kGuestWrite, kSectors - 7, whole(page()))), kGuestError);
  EXPECT_EQ(status(indirect(kGuestWrite, kSectors - 15, {whole(page()), whole(page())})),
            kGuestError);
  EXPECT_EQ(std::filesystem::file_size(image_), kSectors * kSectorBytes);
}

TEST_F(BareDiskOfTwoPages, MorePagesThanWereOfferedAreAnError) {
  EXPECT_EQ(status(indirect(kGuestWrite, 0, {whole(page()), whole(page())})), kGuestOkay);
  EXPECT_EQ(status(indirect(kGuestWrite, 0, {whole(page()), whole(page()), whole(page())})),
            kGuestError);
}

TEST_F(BareDisk, ADiscardEndsWithTheDisk) {
  EXPECT_EQ(status(discard(kSectors - 8, 8)), kGuestOkay);
  EXPECT_EQ(status(discard(kSectors - 8, 9)), kGuestError);
  EXPECT_EQ(status(discard(kSectors + 1, UINT64_MAX)), kGuestError);
  EXPECT_EQ(status(discard(8, UINT64_MAX)), kGuestError);
  EXPECT_EQ(status(discard(8, 0)), kGuestError);
}

TEST_F(BareDisk, ASecureDiscardIsAnOrdinaryOneWhereItIsNotOffered) {
  std::vector<sim::FileOperation::Kind> done;
  storage_.behaviour(image_).fault = [&](const sim::FileOperation& operation) {
    done.push_back(operation.kind);
    return Error{};
  };
  sim::FrontRequest secure = discard(0, 8);
  secure.discard_flag = sim::kGuestDiscardSecure;
  EXPECT_EQ(status(secure), kGuestOkay);
  EXPECT_EQ(done, std::vector{sim::FileOperation::Kind::discard});
}

TEST_F(BareErasableDisk, ASecureDiscardErasesAndNothingElseOfTheRingRunsBesideIt) {
  std::vector<sim::FileOperation::Kind> done;
  std::size_t most_beside = 0;
  storage_.behaviour(image_).fault = [&](const sim::FileOperation& operation) {
    done.push_back(operation.kind);
    if (operation.kind == sim::FileOperation::Kind::erase) {
      most_beside = std::max(most_beside, storage_.in_flight(image_));
    }
    return Error{};
  };
  for (uint64_t id = 0; id < 12; ++id) {
    sim::FrontRequest next = id % 3 == 0 ? discard(8 * id, 8) : request(kGuestWrite, 8 * id,
                                                                         whole(page()));
    next.discard_flag = sim::kGuestDiscardSecure;
    next.id = id;
    ring_.put(next);
  }
  ring_.push();
  machine_.events().send(event_);
  int okay = 0;
  EXPECT_TRUE(world_.run_until([&] {
    while (const auto response = ring_.take()) okay += response->status == kGuestOkay ? 1 : 0;
    return okay == 12;
  }));
  EXPECT_EQ(std::ranges::count(done, sim::FileOperation::Kind::erase), 4);
  EXPECT_EQ(most_beside, 0U);
}

TEST_F(BareDisk, ASegmentEndsInsideItsPage) {
  EXPECT_EQ(status(request(kGuestRead, 0, {page(), 0, 8, 0})), kGuestError);
  EXPECT_EQ(status(request(kGuestRead, 0, {page(), 8, 8, 0})), kGuestError);
  EXPECT_EQ(status(indirect(kGuestRead, 0, {whole(page()), {page(), 0, 8, 0}})), kGuestError);
}

TEST_F(BareDisk, ASegmentOutsideOfItsPageHarmsNoOtherRequest) {
  constexpr uint64_t kBad = 1;
  constexpr uint64_t kGood = 2;
  sim::FrontRequest bad = request(kGuestWrite, 0, {page(), 0, 8, 0});
  bad.id = kBad;
  sim::FrontRequest good = request(kGuestWrite, 8, whole(page()));
  good.id = kGood;
  ring_.put(bad);
  send(good);
  std::map<uint64_t, int> statuses;
  world_.run_until([&] {
    while (const auto response = ring_.take()) statuses[response->id] = response->status;
    return statuses.size() == 2;
  });
  EXPECT_THAT(statuses, testing::ElementsAre(std::pair(kBad, int{kGuestError}),
                                             std::pair(kGood, int{kGuestOkay})));
}

TEST_F(BareDisk, WhatIsNotSpokenIsNotSupported) {
  const auto response = answer(request(200, 0, whole(page())));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, kGuestNotSupported);
  EXPECT_EQ(response->operation, 200);
  EXPECT_EQ(status(indirect(kGuestIndirect, 0, {whole(page())})), kGuestNotSupported);
}

TEST_F(BareDisk, OnePageThatIsMissingFailsTheRequest) {
  for (const uint8_t operation : {kGuestRead, kGuestWrite}) {
    EXPECT_EQ(status(indirect(operation, 0, {whole(page()), whole(page())})), kGuestOkay);
    EXPECT_EQ(status(indirect(operation, 0, {whole(page()), whole(kNoSuchPage)})), kGuestError);
    EXPECT_EQ(status(indirect(operation, 0, {whole(kNoSuchPage), whole(page())})), kGuestError);
  }
}

TEST_F(BareDisk, AListThatIsMissingFailsTheRequest) {
  sim::FrontRequest without = indirect(kGuestRead, 0, {whole(page())});
  without.indirect_refs[0] = kNoSuchPage;
  EXPECT_EQ(status(without), kGuestError);
}

TEST_F(BareDisk, APageThatMayOnlyBeReadTakesNoData) {
  EXPECT_EQ(status(request(kGuestWrite, 0, whole(page(Access::read_only)))), kGuestOkay);
  EXPECT_EQ(status(request(kGuestRead, 0, whole(page(Access::read_only)))), kGuestError);
}

TEST_F(BareDisk, AFailedCallToXenFailsTheRequestsOfTheTurn) {
  grants_.fail_copy_calls(1);
  EXPECT_EQ(status(request(kGuestRead, 0, whole(page()))), kGuestError);
  EXPECT_EQ(status(request(kGuestRead, 0, whole(page()))), kGuestOkay);
}

TEST_F(BareDisk, TheDataOfAFlushOrABarrierIsDurable) {
  for (const uint8_t operation : {kGuestFlush, kGuestBarrier}) {
    EXPECT_EQ(status(request(kGuestWrite, 0, whole(page()))), kGuestOkay);
    EXPECT_EQ(unsynced_writes(), 1U);
    EXPECT_EQ(status(request(operation, 8, whole(page()))), kGuestOkay);
    EXPECT_EQ(unsynced_writes(), 0U);
  }
}

TEST_F(BareDisk, OneRequestMoreThanTheRingHoldsStopsIt) {
  storage_.hang(image_);
  send(request(kGuestRead, 0, whole(page())));
  EXPECT_TRUE(world_.run_until([&] { return stats_->in_flight.get() == 1; }, kPatience));
  ring_.set_producer(ring_.size() + 1);
  machine_.events().send(event_);
  EXPECT_TRUE(world_.run_until([&] { return stats_->ring_broken.load(); }, kPatience));
  storage_.release(image_);
  world_.run_for(kPatience);
  EXPECT_TRUE(ring_.take());
  ring_.set_producer(2);
  machine_.events().send(event_);
  world_.run_for(kPatience);
  EXPECT_FALSE(ring_.take());
}

TEST_F(BareReadOnlyDisk, NoOperationWrites) {
  EXPECT_EQ(status(request(kGuestRead, 0, whole(page()))), kGuestOkay);
  EXPECT_EQ(status(request(kGuestWrite, 0, whole(page()))), kGuestError);
  EXPECT_EQ(status(request(kGuestFlush, 0, whole(page()))), kGuestError);
  EXPECT_EQ(status(request(kGuestBarrier, 0, whole(page()))), kGuestError);
  EXPECT_EQ(status(discard(0, 8)), kGuestNotSupported);
  EXPECT_EQ(unsynced_writes(), 0U);
}

}  // namespace
}  // namespace tapring
