// SPDX-License-Identifier: MIT
// What a frontend finds out about its backend, shown with backends that do it wrong.
#include "tests/sim/front_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "ring/back_ring.h"
#include "tests/sim/grants.h"

namespace tapring::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr DomainId kRingGuest = 5;

/// A queue of a guest, and the backend's end of its ring in the hands of the test.
class FrontQueueTest : public testing::Test {
 protected:
  FrontQueueTest()
      : guest_(machine_.create_domain(kRingGuest)), queue_(world_, machine_, kRingGuest, 0, {}),
        mapping_(grants_, *grants_.map(kRingGuest, queue_.ring_refs())),
        back_(mapping_.pages(), Abi::x86_64),
        end_(*machine_.events().bind(0, {kRingGuest, queue_.port()}, [this] { ++events_; })) {
    queue_.allow_indirect(256);
  }

  void submit_read(uint32_t sectors = 8) {
    queue_.submit({.operation = kGuestRead, .sector = 0, .sectors = sectors, .data = {},
                   .done = [this](int16_t status, auto) { statuses_.push_back(status); }});
  }

  std::optional<Request> take() { return back_.take(copy_); }

  void respond(uint64_t id, uint8_t operation = kGuestRead) {
    back_.respond(id, operation, BlkifStatus::okay);
  }

  /// Shows the guest the responses; what it complains of.
  const std::vector<std::string>& complaints() {
    back_.push();
    machine_.events().send(end_);
    world_.run_until_idle();
    return queue_.violations();
  }

  SimWorld world_{1};
  SimMachine machine_{world_};
  SimDomain& guest_;
  FrontQueue queue_;
  SimGrants grants_{machine_, 0};
  GrantMapping mapping_;
  BackRing back_;
  std::array<std::byte, kLayout64.entry_bytes> copy_{};
  int events_ = 0;
  EventEnd end_;
  std::vector<int16_t> statuses_;
};

TEST_F(FrontQueueTest, ARightAnswerIsGivenToWhoAsked) {
  submit_read();
  respond(take()->id);
  EXPECT_THAT(complaints(), IsEmpty());
  EXPECT_THAT(statuses_, ElementsAre(kGuestOkay));
  EXPECT_EQ(queue_.in_flight(), 0U);
  EXPECT_EQ(guest_.grants(), 1U);  // that of the ring
}

TEST_F(FrontQueueTest, TheBackendIsNotifiedOfARequest) {
  world_.run_until_idle();
  back_.arm();
  const int before = events_;
  submit_read();
  world_.run_until_idle();
  EXPECT_EQ(events_, before + 1);
}

TEST_F(FrontQueueTest, ALargeRequestIsIndirect) {
  submit_read(256 * 8);
  const auto request = take();
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->indirect);
  EXPECT_EQ(request->segment_count, 256);
}

TEST_F(FrontQueueTest, WhatDoesNotFitTheRingWaits) {
  for (uint32_t i = 0; i < back_.size() + 3; ++i) submit_read();
  uint32_t taken = 0;
  while (const auto request = take()) {
    ++taken;
    respond(request->id);
  }
  EXPECT_EQ(taken, back_.size());
  EXPECT_THAT(complaints(), IsEmpty());
  taken = 0;
  while (take()) ++taken;
  EXPECT_EQ(taken, 3U);
}

TEST_F(FrontQueueTest, ASecondAnswerIsFound) {
  submit_read();
  submit_read();
  const uint64_t id = take()->id;
  take();
  respond(id);
  respond(id);
  EXPECT_THAT(complaints(), ElementsAre(HasSubstr("does not wait")));
}

TEST_F(FrontQueueTest, AnAnswerToNobodyIsFound) {
  submit_read();
  take();
  respond(1000);
  EXPECT_THAT(complaints(), ElementsAre(HasSubstr("never was")));
}

TEST_F(FrontQueueTest, AnAnswerWithTheOuterOperationIsFound) {
  submit_read(256 * 8);
  respond(take()->id, kGuestIndirect);
  EXPECT_THAT(complaints(), ElementsAre("response has operation 6 instead of 0"));
}

TEST_F(FrontQueueTest, AnAnswerBeforeUnmappingIsFound) {
  submit_read();
  const Request request = *take();
  const GrantRef ref = request.indirect ? request.indirect_ref : request.segments[0].ref;
  const auto pages = grants_.map(kRingGuest, {&ref, 1});
  respond(request.id);
  EXPECT_THAT(complaints(), ElementsAre(HasSubstr("before the grants were unmapped")));
  if (pages) grants_.unmap(*pages);
}

TEST_F(FrontQueueTest, AnOfferedOperationThatIsNotSupportedIsFound) {
  submit_read();
  back_.respond(take()->id, kGuestRead, BlkifStatus::not_supported);
  EXPECT_THAT(complaints(), ElementsAre(HasSubstr("not supported")));
}

TEST_F(FrontQueueTest, MoreAnswersThanRequestsAreFound) {
  submit_read();
  respond(take()->id);
  const uint32_t wild = 500;
  std::memcpy(&mapping_.pages()[8], &wild, sizeof wild);
  machine_.events().send(end_);
  world_.run_until_idle();
  EXPECT_THAT(queue_.violations(), ElementsAre(HasSubstr("more responses")));
}

TEST_F(FrontQueueTest, ARingThatIsStillMappedCannotBeReleased) {
  EXPECT_FALSE(queue_.release());
}

}  // namespace
}  // namespace tapring::sim
