// SPDX-License-Identifier: MIT
// What a refused disk answers to whom: refusal_test has the same with a whole host.
#include <chrono>

#include "daemon/vbd/refusal.h"
#include "tests/daemon/vbd/device_parts.h"

namespace tapring {
namespace {

using Answer = Refusal::Answer;

class RefusalAnswer : public DeviceParts {
 protected:
  static constexpr VbdState kNew{XenbusState::initialising, XenbusState::initialising};
  static constexpr VbdState kOffered{XenbusState::init_wait, XenbusState::initialising};
  static constexpr VbdState kConnected{XenbusState::connected, XenbusState::connected};
  static constexpr VbdState kAnew{XenbusState::closed, XenbusState::initialising};

  unsigned attempts_ = 0;
  Refusal refusal_{scope_, spec_, [this] { ++attempts_; }};
};

TEST_F(RefusalAnswer, StateTwoComesBeforeTheEnd) {
  EXPECT_EQ(refusal_.handle(kNew, false), Answer::offer);
  EXPECT_EQ(refusal_.handle(kOffered, false), Answer::close);
  EXPECT_EQ(refusal_.handle(kNew, true), Answer::close);
}

TEST_F(RefusalAnswer, OurScriptReadsTheReasonFirst) {
  spec_.script = "/etc/xen/scripts/block-tapring";
  EXPECT_EQ(refusal_.handle(kOffered, false), Answer::wait);
  write("hotplug-status", "error");
  EXPECT_EQ(refusal_.handle(kOffered, false), Answer::close);
}

TEST_F(RefusalAnswer, AFrontendThatBeginsAnewIsLookedAtAgain) {
  write("online", "1");
  EXPECT_EQ(refusal_.handle(kAnew, false), Answer::wait);
  refusal_.frontend_wrote();
  EXPECT_EQ(refusal_.handle(kAnew, false), Answer::claim_again);
  write("online", "0");
  EXPECT_EQ(refusal_.handle(kAnew, false), Answer::wait);
}

TEST_F(RefusalAnswer, AGuestThatWaitsIsTriedAgainAndTheSameReasonSaidOnce) {
  EXPECT_TRUE(refusal_.refuse("no", ""));
  EXPECT_EQ(refusal_.handle(kConnected, false), Answer::wait);
  EXPECT_EQ(refusal_.handle(kConnected, false), Answer::wait);
  world_.run_for(std::chrono::seconds(11));
  EXPECT_EQ(attempts_, 1U);
  EXPECT_FALSE(refusal_.refuse("no", "no"));
  EXPECT_TRUE(refusal_.refuse("no", "no"));
}

TEST_F(RefusalAnswer, TheScriptIsToldOnce) {
  write("frontend", kFrontend);
  refusal_.accept();
  refusal_.publish_status();
  EXPECT_EQ(key("tapring-status"), "ready");
  write("tapring-status", "");
  refusal_.publish_status();
  EXPECT_EQ(key("tapring-status"), "");
  refusal_.refuse("no", "");
  refusal_.publish_status();
  EXPECT_EQ(key("tapring-status"), "refused: no");
}

}  // namespace
}  // namespace tapring
