// SPDX-License-Identifier: MIT
#include "daemon/vbd/storage_pause.h"

#include "tests/daemon/vbd/device_parts.h"

namespace tapring {
namespace {

class StoragePauseTest : public DeviceParts {
 protected:
  DiskReport report() const {
    DiskReport report;
    pause_.add_to(report);
    return report;
  }

  StoragePause pause_{scope_};
};

TEST_F(StoragePauseTest, HasTheConfigurationsPolicyWithoutOneOfItsOwn) {
  EXPECT_EQ(report().on_no_space, "pause");
  EXPECT_EQ(report().on_io_error, "report");
}

TEST_F(StoragePauseTest, ReadsThePolicyWhenItWasWritten) {
  write("tapring-on-io-error", "pause");
  pause_.refresh_policy();
  EXPECT_EQ(report().on_io_error, "report");
  pause_.policy_wrote();
  pause_.refresh_policy();
  EXPECT_EQ(report().on_io_error, "pause");
}

TEST_F(StoragePauseTest, TakesAWordThatItDoesNotKnowForTheDefault) {
  write("tapring-on-io-error", "panic");
  write("tapring-on-no-space", "report");
  pause_.policy_wrote();
  pause_.refresh_policy();
  EXPECT_EQ(report().on_io_error, "report");
  EXPECT_EQ(report().on_no_space, "report");
}

TEST_F(StoragePauseTest, WritesThePolicyForTheNextTapringd) {
  EXPECT_EQ(pause_.set_policy({{"on_io_error", "pause"}}), "it is gone");
  write("frontend", kFrontend);
  EXPECT_EQ(pause_.set_policy({{"on_io_error", "pause"}}), "");
  EXPECT_EQ(key("tapring-on-io-error"), "pause");
  EXPECT_EQ(report().on_io_error, "pause");
}

TEST_F(StoragePauseTest, AppliesThePolicyToWhatIsPrepared) {
  write("tapring-on-io-error", "pause");
  const auto counts = pause_.prepare("/a.img", false);
  EXPECT_EQ(counts->policy().on_io_error, OnError::pause);
  EXPECT_FALSE(pause_.is_paused());
  EXPECT_EQ(pause_.resume(), "it is not paused");
}

}  // namespace
}  // namespace tapring
