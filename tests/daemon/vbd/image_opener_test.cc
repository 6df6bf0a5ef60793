// SPDX-License-Identifier: MIT
#include "daemon/vbd/image_opener.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/daemon/vbd/device_parts.h"

namespace tapring {
namespace {

using std::chrono::seconds;

class EmptyImage final : public OpenImage {
 public:
  const Geometry& geometry() const noexcept override { return geometry_; }
  const std::vector<std::string>& notices() const noexcept override { return notices_; }
  std::unique_ptr<Image> serve_on(Loop& /*loop*/) override { return nullptr; }

 private:
  Geometry geometry_{.size_bytes = 1 << 20, .discard_granularity = 4096};
  std::vector<std::string> notices_;
};

class ImageOpenerTest : public DeviceParts {
 protected:
  ImageOpenerTest() {
    context_.open_disk = [this](const OpenRequest& request) -> std::unique_ptr<OpenImage> {
      requests_.push_back(request);
      if (!error_.empty()) throw std::runtime_error(error_);
      if (is_locked_) throw FileInUse(request.spec.path, {}, {});
      if (is_dirty_ && !request.may_repair) throw NeedsRepair("it has a dirty bit");
      return std::make_unique<EmptyImage>();
    };
  }

  ImageOpener::Callbacks callbacks() {
    return {.checked = [this] { events_.emplace_back("checked"); },
            .opened = [this] { events_.emplace_back("opened"); },
            .failed = [this](const std::string& reason) { events_.push_back(reason); },
            .released = [this] { events_.emplace_back("released"); },
            .given_up_ended = [this] { events_.emplace_back("ended"); },
            .twin = [this] { return twin_ ? std::optional<Twin>(*twin_) : std::nullopt; },
            .lock_conflict = [this](const FileInUse&) { return conflict_; }};
  }

  /// What was told last, as soon as something is.
  std::string event() {
    run_until([this] { return !events_.empty(); });
    if (events_.empty()) return "nothing";
    std::string last = std::move(events_.back());
    events_.clear();
    return last;
  }

  std::vector<OpenRequest> requests_;
  std::vector<std::string> events_;
  std::string error_;
  bool is_locked_ = false;
  bool is_dirty_ = false;
  LockConflict conflict_{"a program", false};
  std::unique_ptr<Twin> twin_;
  ImageOpener opener_{scope_, identity_, callbacks()};
};

TEST_F(ImageOpenerTest, ACheckLeavesNothingOpen) {
  opener_.check(false);
  EXPECT_TRUE(opener_.is_opening());
  EXPECT_EQ(event(), "checked");
  EXPECT_TRUE(opener_.is_closed());
  EXPECT_TRUE(opener_.is_checked());
  EXPECT_EQ(requests_.at(0).purpose, Purpose::probe);
  EXPECT_EQ(opener_.facts().geometry.size_bytes, 1U << 20U);
  opener_.forget_check();
  EXPECT_FALSE(opener_.is_checked());
}

TEST_F(ImageOpenerTest, AnOpenImageIsClosedOnce) {
  opener_.open(false);
  EXPECT_EQ(event(), "opened");
  EXPECT_TRUE(opener_.is_open());
  opener_.release();
  EXPECT_TRUE(opener_.is_releasing());
  opener_.release();
  EXPECT_EQ(event(), "released");
  EXPECT_TRUE(opener_.is_closed());
  world_.run_for(seconds(1));
  EXPECT_TRUE(events_.empty());
}

TEST_F(ImageOpenerTest, TheLineMayKeepDiscardsFromTheGuest) {
  spec_.discard = false;
  opener_.open(false);
  EXPECT_EQ(event(), "opened");
  EXPECT_EQ(opener_.facts().geometry.discard_granularity, 0U);
}

TEST_F(ImageOpenerTest, WhatIsWrongIsSaid) {
  error_ = "not an image";
  opener_.check(false);
  EXPECT_EQ(event(), "not an image");
  EXPECT_TRUE(opener_.is_closed());
  EXPECT_FALSE(opener_.is_checked());
}

TEST_F(ImageOpenerTest, AnImageIsRepairedInTheSecondAttempt) {
  is_dirty_ = true;
  opener_.open(false);
  EXPECT_EQ(event(), "opened");
  ASSERT_EQ(requests_.size(), 2U);
  EXPECT_TRUE(requests_[1].may_repair);
}

TEST_F(ImageOpenerTest, ALockIsWaitedForAsLongAsIsConfigured) {
  is_locked_ = true;
  opener_.open(false);
  EXPECT_TRUE(run_until([this] { return !opener_.lock_conflict().empty(); }));
  EXPECT_TRUE(opener_.is_idle());
  EXPECT_EQ(event(), disk_.path + " is in use by a program");
  EXPECT_GE(thread_.now(), context_.lock_wait);
  EXPECT_EQ(opener_.lock_conflict(), "");
}

TEST_F(ImageOpenerTest, ALockThatComesFreeIsTaken) {
  is_locked_ = true;
  opener_.open(false);
  world_.run_for(seconds(1));
  EXPECT_TRUE(events_.empty());
  is_locked_ = false;
  EXPECT_EQ(event(), "opened");
  EXPECT_EQ(opener_.lock_conflict(), "");
}

TEST_F(ImageOpenerTest, AGuestThatHasTheDiskWaitsWithoutAnEnd) {
  is_locked_ = true;
  opener_.open(true);
  world_.run_for(seconds(60));
  EXPECT_TRUE(events_.empty());
  opener_.release();
  EXPECT_EQ(event(), "released");
}

TEST_F(ImageOpenerTest, AMigratingHolderFailsNoCheck) {
  is_locked_ = true;
  conflict_.is_migrating = true;
  opener_.check(false);
  EXPECT_EQ(event(), "checked");
  opener_.open(false);
  world_.run_for(seconds(60));
  EXPECT_TRUE(events_.empty());
}

TEST_F(ImageOpenerTest, AnOpeningThatHangsIsGivenUp) {
  background_.hold();
  opener_.open(false);
  opener_.release();
  EXPECT_TRUE(opener_.is_cancelled());
  EXPECT_EQ(event(), "released");
  EXPECT_TRUE(opener_.was_given_up());
  background_.stop_holding();
  background_.release();
  EXPECT_EQ(event(), "ended");
  EXPECT_FALSE(opener_.was_given_up());
  EXPECT_TRUE(opener_.is_closed());
}

TEST_F(ImageOpenerTest, ATwinThatOpensTheImageIsWaitedFor) {
  const ImageFacts facts;
  twin_ = std::make_unique<Twin>(Twin{"2/xvda", true, nullptr, facts});
  opener_.open(false);
  EXPECT_EQ(opener_.lock_conflict(), "waiting for disk 2/xvda, which is opening the image");
  world_.run_for(seconds(5));
  EXPECT_TRUE(requests_.empty());
  twin_.reset();
  EXPECT_EQ(event(), "opened");
}

TEST_F(ImageOpenerTest, TooMuchInTheBackgroundIsAFailure) {
  background_.limit(0);
  opener_.open(false);
  EXPECT_NE(event(), "nothing");
  EXPECT_TRUE(opener_.is_closed());
}

}  // namespace
}  // namespace tapring
