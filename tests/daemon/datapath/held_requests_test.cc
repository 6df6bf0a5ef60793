// SPDX-License-Identifier: MIT
// Requests whose storage fails for a while, on one ring.
#include "daemon/datapath/held_requests.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <vector>

#include "tests/daemon/datapath/bare_disk.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

using sim::FileOperation;
using sim::kGuestBarrier;
using sim::kGuestError;
using sim::kGuestFlush;
using sim::kGuestOkay;
using sim::kGuestRead;
using sim::kGuestWrite;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr ErrorPolicy kPauseAlways{OnError::pause, OnError::pause, 0};

class HeldRequestsTest : public BareDisk {
 protected:
  HeldRequestsTest() {
    pause_->set_policy(kPauseAlways);
    storage_.behaviour(image_).fault = [this](const FileOperation& operation) {
      if (operation.kind != failing_) return Error{};
      ++tries_;
      return room_ > 0 && room_-- > 0 ? Error{} : system_error_code(number_);
    };
  }

  /// From now on this kind of operation fails so; 0: it does not.
  void fail(FileOperation::Kind kind, int number) {
    failing_ = kind;
    number_ = number;
  }

  void write(uint64_t sector) { send(request(kGuestWrite, sector, whole(page()))); }

  /// So many writes, held.
  void hold_writes(uint32_t count, int number = ENOSPC) {
    fail(FileOperation::Kind::write, number);
    for (uint32_t i = 0; i < count; ++i) write(8 * i);
    EXPECT_TRUE(world_.run_until([&] { return pause_->held() == count; }, kPatience));
    tries_ = 0;
  }

  /// As the control thread does.
  void look() {
    loop_.post([this] { disk_->check_held(); });
    world_.run_for(100ms);
  }
  void look_after(std::chrono::seconds time) {
    world_.run_for(time);
    look();
  }

  std::vector<int> answers() {
    std::vector<int> statuses;
    while (const auto response = ring_.take()) statuses.push_back(response->status);
    return statuses;
  }

  FileOperation::Kind failing_ = FileOperation::Kind::write;
  int number_ = 0;
  unsigned tries_ = 0;  ///< of the operation that fails
  unsigned room_ = 0;   ///< so many of them succeed before
};

TEST_F(HeldRequestsTest, AWriteWaitsForRoomAndIsDoneThen) {
  hold_writes(1);
  look_after(1s);
  EXPECT_THAT(answers(), IsEmpty());
  EXPECT_EQ(pause_->held(StorageFault::no_space), 1U);
  fail(FileOperation::Kind::write, 0);
  look_after(1s);
  EXPECT_THAT(answers(), ElementsAre(kGuestOkay));
  EXPECT_EQ(pause_->held(), 0U);
  EXPECT_EQ(pause_->pauses(), 1U);
  EXPECT_EQ(stats_->errors.get(), 0U);
}

TEST_F(HeldRequestsTest, EveryKindOfRequestWaits) {
  fail(FileOperation::Kind::read, EIO);
  send(request(kGuestRead, 0, whole(page())));
  EXPECT_TRUE(world_.run_until([&] { return pause_->held() == 1; }, kPatience));
  fail(FileOperation::Kind::discard, ENOSPC);
  send(discard(0, 8));
  EXPECT_TRUE(world_.run_until([&] { return pause_->held() == 2; }, kPatience));
  EXPECT_EQ(pause_->held(StorageFault::io_error), 1U);
  fail(FileOperation::Kind::write, ENOSPC);
  send(request(kGuestBarrier, 8, whole(page())));
  // Not before what came before it.
  EXPECT_FALSE(world_.run_until([&] { return pause_->held() == 3; }, kPatience));
  fail(FileOperation::Kind::write, 0);
  look_after(10s);
  EXPECT_THAT(answers(), ElementsAre(kGuestOkay, kGuestOkay, kGuestOkay));
}

TEST_F(HeldRequestsTest, WhatComesBehindABarrierThatWaitsIsNotTaken) {
  fail(FileOperation::Kind::write, ENOSPC);
  send(request(kGuestBarrier, 8, whole(page())));
  send(request(kGuestRead, 0, whole(page())));
  world_.run_for(kPatience);
  EXPECT_THAT(answers(), IsEmpty());
  fail(FileOperation::Kind::write, 0);
  look();
  EXPECT_THAT(answers(), ElementsAre(kGuestOkay, kGuestOkay));
}

TEST_F(HeldRequestsTest, OtherRequestsAreServed) {
  hold_writes(5);
  EXPECT_EQ(status(request(kGuestRead, 0, whole(page()))), kGuestOkay);
  EXPECT_EQ(status(request(kGuestFlush, 0, whole(page()))), 1) << "its write waits as well";
  EXPECT_EQ(status(discard(0, 8)), kGuestOkay);
}

TEST_F(HeldRequestsTest, WhoWaitsHoldsNoMemory) {
  hold_writes(20);
  EXPECT_EQ(worker_.buffers().bytes_in_use(), 0U);
}

TEST_F(HeldRequestsTest, OneIsTriedEverySecond) {
  hold_writes(20);
  for (unsigned second = 1; second <= 5; ++second) {
    look_after(1s);
    look();
    EXPECT_EQ(tries_, second);
  }
  EXPECT_EQ(pause_->held(), 20U);
}

TEST_F(HeldRequestsTest, StorageThatFailsIsTriedMoreRarely) {
  hold_writes(3, EIO);
  look_after(5s);
  EXPECT_EQ(tries_, 0U);
  look_after(5s);
  EXPECT_EQ(tries_, 1U);
}

TEST_F(HeldRequestsTest, NoneIsTriedWhileAnotherTryHangs) {
  hold_writes(3);
  world_.run_for(1s);
  storage_.hang(image_);
  for (int i = 0; i < 3; ++i) look_after(1s);
  storage_.release(image_);
  world_.run_for(100ms);
  EXPECT_EQ(tries_, 1U);
}

TEST_F(HeldRequestsTest, AllGoOnAtOnceWhenThereIsRoomAgain) {
  hold_writes(20);
  fail(FileOperation::Kind::write, 0);
  look_after(1s);
  EXPECT_THAT(answers(), SizeIs(20));
}

TEST_F(HeldRequestsTest, WhereThereIsLittleRoomTheRestWaitsOn) {
  hold_writes(20);
  room_ = 5;
  look_after(1s);
  EXPECT_THAT(answers(), SizeIs(5));
  EXPECT_LE(tries_, 11U) << "more than two for each that there was room for";
  EXPECT_EQ(pause_->held(), 15U);
}

TEST_F(HeldRequestsTest, AllAreTriedWhenSomebodySaysSo) {
  hold_writes(20, EIO);
  fail(FileOperation::Kind::write, 0);
  loop_.post([this] { disk_->retry_held(); });
  world_.run_for(100ms);
  EXPECT_THAT(answers(), SizeIs(20));
}

TEST_F(HeldRequestsTest, ARequestWaitsNoLongerThanItMay) {
  pause_->set_policy({OnError::pause, OnError::pause, 30});
  hold_writes(2);
  for (int second = 0; second < 20; ++second) look_after(1s);
  write(16);
  for (int second = 0; second < 15; ++second) look_after(1s);
  EXPECT_THAT(answers(), ElementsAre(kGuestError, kGuestError));
  EXPECT_EQ(pause_->given_up(), 2U);
  EXPECT_EQ(pause_->held(), 1U);
  for (int second = 0; second < 20; ++second) look_after(1s);
  EXPECT_THAT(answers(), ElementsAre(kGuestError));
}

TEST_F(HeldRequestsTest, AnotherPolicyEndsTheWaiting) {
  hold_writes(3);
  pause_->set_policy({OnError::report, OnError::pause, 0});
  look();
  EXPECT_THAT(answers(), ElementsAre(kGuestError, kGuestError, kGuestError));
  EXPECT_EQ(pause_->given_up(), 0U);
}

// What a flush had to make durable is lost, and the next one would say that all is well.
TEST_F(HeldRequestsTest, AFlushThatFailedIsNeverTriedAgain) {
  fail(FileOperation::Kind::sync, ENOSPC);
  EXPECT_EQ(status(request(kGuestFlush, 0, whole(page()))), kGuestError);
  fail(FileOperation::Kind::sync, 0);
  EXPECT_EQ(status(request(kGuestFlush, 0, whole(page()))), kGuestError);
  EXPECT_EQ(pause_->pauses(), 0U);
}

TEST_F(HeldRequestsTest, AfterAFailedFlushNoWriteWaits) {
  hold_writes(3);
  fail(FileOperation::Kind::sync, EIO);
  sim::FrontRequest flush;
  flush.operation = kGuestFlush;
  EXPECT_EQ(status(flush), kGuestError);
  look_after(1s);
  EXPECT_THAT(answers(), ElementsAre(kGuestError, kGuestError, kGuestError));
  EXPECT_EQ(status(request(kGuestWrite, 0, whole(page()))), kGuestError);
}

TEST_F(HeldRequestsTest, NothingThatAGuestDoesWrongIsHeld) {
  constexpr GrantRef kNoSuchPage = 99'999;
  for (const uint8_t operation : {kGuestRead, kGuestWrite}) {
    EXPECT_EQ(status(request(operation, 0, whole(kNoSuchPage))), kGuestError);
  }
  grants_.fail_copy_calls(1);
  EXPECT_EQ(status(request(kGuestRead, 0, whole(page()))), kGuestError);
  EXPECT_EQ(pause_->pauses(), 0U);
}

TEST_F(HeldRequestsTest, AGuestMayTakeItsPageBackWhileItWaits) {
  fail(FileOperation::Kind::write, ENOSPC);
  const GrantRef ref = page();
  send(request(kGuestWrite, 0, whole(ref)));
  EXPECT_TRUE(world_.run_until([&] { return pause_->held() == 1; }, kPatience));
  guest_.revoke(ref);
  look_after(1s);
  EXPECT_THAT(answers(), ElementsAre(kGuestError));
  EXPECT_EQ(pause_->held(), 0U);
}

TEST_F(HeldRequestsTest, WhatTheGuestWritesMeanwhileIsWhatIsWritten) {
  fail(FileOperation::Kind::write, ENOSPC);
  const sim::Frame frame = guest_.allocate(1);
  const GrantRef ref = guest_.grant(kBackend, frame, sim::Access::read_only);
  send(request(kGuestWrite, 0, whole(ref)));
  EXPECT_TRUE(world_.run_until([&] { return pause_->held() == 1; }, kPatience));
  std::ranges::fill(guest_.memory(frame, 1), std::byte{7});
  fail(FileOperation::Kind::write, 0);
  look_after(1s);
  std::ifstream image(image_);
  EXPECT_EQ(image.get(), 7);
}

TEST_F(HeldRequestsTest, WhatIsHeldWhenTheDiskEndsIsLeftUnanswered) {
  hold_writes(3);
  end();
  EXPECT_THAT(answers(), IsEmpty());
  EXPECT_TRUE(stats_->left_unanswered);
  EXPECT_EQ(stats_->errors.get(), 0U);
  EXPECT_EQ(stats_->in_flight.get(), 0U);
  EXPECT_EQ(pause_->held(), 0U);
}

// After a power cut it would lead to what the next daemon has not written yet.
TEST_F(HeldRequestsTest, ABarrierBehindWhatIsLeftUnansweredIsLeftAsWell) {
  hold_writes(1);
  send(request(kGuestBarrier, 8, whole(page())));
  world_.run_for(100ms);
  fail(FileOperation::Kind::write, 0);
  end();
  EXPECT_THAT(answers(), IsEmpty());
  EXPECT_TRUE(stats_->left_unanswered);
  EXPECT_EQ(tries_, 0U) << "it was written";
}

TEST_F(HeldRequestsTest, WhatFailsWhileTheDiskEndsIsLeftUnanswered) {
  fail(FileOperation::Kind::write, ENOSPC);
  storage_.hang(image_);
  write(0);
  EXPECT_TRUE(world_.run_until([&] { return storage_.in_flight(image_) == 1; }, kPatience));
  world_.after(100ms, [this] { storage_.release(image_); });
  end();
  EXPECT_THAT(answers(), IsEmpty());
  EXPECT_TRUE(stats_->left_unanswered);
}

}  // namespace
}  // namespace tapring
