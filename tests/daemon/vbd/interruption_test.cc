// SPDX-License-Identifier: MIT
// The toolstack writes to a disk's node between the daemon's look at it and the daemon's write.
#include <functional>
#include <string>
#include <system_error>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

class Interruption : public HostTest {
 protected:
  Interruption() {
    host_.store().observe([this](const std::string& path, const auto& before, const auto& after) {
      if (path == state_key_ && after) history_ += (before ? "" : "+") + *after;
    });
  }
  ~Interruption() override {
    host_.store().observe({});
    host_.store().interrupt({});
  }

  /// `work` is done once, when the daemon is about to move the disk to `state`.
  void before_the_move_to(const std::string& state, std::function<void()> work) {
    host_.store().interrupt(
        [this, state, work = std::move(work), done = false](const sim::StoreKeys& keys) mutable {
          const auto move = keys.find(state_key_);
          if (done || move == keys.end() || move->second != state) return;
          done = true;
          work();
        });
  }

  DiskLine disk_ = line(1, "a.img");
  std::string state_key_ = sim::backend_directory(disk_) + "/state";
  std::string history_;  ///< of the backend's state; + before one that was made
};

INSTANTIATE_TEST_SUITE_P(Seeds, Interruption, testing::ValuesIn(sim::seeds(3)));

TEST_P(Interruption, ByADetachInTheMoveToState4IsNotOverwritten) {
  before_the_move_to("4", [this] { host_.toolstack().detach(disk_.name); });
  attach(disk_);
  EXPECT_TRUE(reaches(disk_, Progress::gone));
  EXPECT_EQ(history_, "+1256");
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Interruption, ByADetachInTheMoveToState2IsNotOverwritten) {
  before_the_move_to("2", [this] { host_.toolstack().detach(disk_.name); });
  attach(disk_);
  EXPECT_TRUE(reaches(disk_, Progress::gone));
  EXPECT_EQ(history_, "+156");
  EXPECT_EQ(host_.held(), "");
}

/// xenstored refuses a write for want of memory, or for a quota.
TEST_P(Interruption, ByARefusalOfTheMoveToState4IsTriedAgain) {
  before_the_move_to("4", [] {
    throw std::system_error(std::make_error_code(std::errc::no_space_on_device), "xenstored");
  });
  attach(disk_);
  host_.world().run_for(1s);
  EXPECT_EQ(history_, "+12");
  host_.store().write({{sim::backend_directory(disk_) + "/hotplug-status", "connected"}});
  EXPECT_TRUE(host_.run_until([this] { return history_ == "+124"; }));
  EXPECT_EQ(sim::Host::descriptors(host_.image_path("a.img")), 1U);
}

/// A daemon that died then would leave requests in a journal that its successor does not know of.
TEST_P(Interruption, ByARefusalOfTheJournalsNameNoRequestIsTaken) {
  sim::SimFrontend& frontend = attach_and_connect(disk_);
  sim::SimLoad load(host_.world(), frontend, {.requests = 200, .depth = 16});
  ASSERT_TRUE(host_.run_until([&] { return load.answered() > 10; }));
  host_.kill();
  const uint64_t answered = load.answered();
  int refused = 0;
  host_.store().interrupt([&](const sim::StoreKeys& keys) {
    const auto name = keys.find(sim::backend_directory(disk_) + "/tapring-connection");
    if (name == keys.end() || name->second.empty()) return;
    ++refused;
    throw std::system_error(std::make_error_code(std::errc::no_space_on_device), "xenstored");
  });
  host_.start();
  host_.world().run_for(1s);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(load.answered(), answered);
  host_.store().interrupt({});
  host_.store().write({{sim::backend_directory(disk_) + "/hotplug-status", "connected"}});
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
}

/// The toolstack's event may come as one with that of our own write, and before our next look.
TEST_P(Interruption, ByADetachRightAfterAMoveIsSeen) {
  for (const char* state : {"2", "4"}) {
    bool detached = false;
    attach(disk_);
    host_.store().observe([&](const std::string& path, const auto&, const auto& after) {
      if (detached || path != state_key_ || after != state) return;
      detached = true;
      host_.world().after(0ms, [this] { host_.toolstack().detach(disk_.name); });
    });
    EXPECT_TRUE(reaches(disk_, Progress::gone)) << state;
    EXPECT_TRUE(detached);
    host_.store().observe({});
    EXPECT_EQ(host_.held(), "") << state;
  }
}

TEST_P(Interruption, ByTheRemovalOfTheNodeLeavesNoNode) {
  for (const char* state : {"2", "4"}) {
    before_the_move_to(state, [this] { host_.store().remove(sim::backend_directory(disk_)); });
    attach(disk_);
    host_.world().run_for(1s);
    EXPECT_FALSE(host_.store().exists(sim::backend_directory(disk_))) << state;
    EXPECT_EQ(host_.held(), "") << state;
  }
}

/// For as long as a hotplug script may take, which is long.
class LongInterruption : public Interruption {};
INSTANTIATE_TEST_SUITE_P(Seeds, LongInterruption, testing::ValuesIn(sim::seeds(1)));

TEST_P(LongInterruption, ByWritesWithoutEndHoldsUpNobodyElse) {
  const DiskLine other = line(2, "b.img");
  host_.store().interrupt([this](const sim::StoreKeys& keys) {
    if (!keys.contains(state_key_) || !host_.store().exists(state_key_)) return;
    host_.store().write({{state_key_, *host_.store().read(state_key_)}});
  });
  attach(disk_);
  expect_served(attach_and_connect(other));
  EXPECT_EQ(host_.backend_state(disk_), 1U);
  host_.store().interrupt({});
  expect_detached(disk_);
  expect_served(attach_and_connect(disk_));
}

/// xenstored refuses what the death of one guest calls for.
TEST_P(Interruption, OfTheEndOfOneGuestHoldsUpNoOtherGuestsEnd) {
  const DiskLine other = line(2, "b.img");
  host_.toolstack().script_takes(1h);
  SimFrontend& first = attach(disk_);
  EXPECT_TRUE(host_.run_until([this] { return host_.backend_state(disk_) == 2; }));
  host_.world().run_for(1s);
  host_.toolstack().script_takes(100ms);
  SimFrontend& second = attach_and_connect(other);
  int refused = 0;
  host_.store().interrupt([&](const sim::StoreKeys& keys) {
    if (!keys.contains(state_key_)) return;
    ++refused;
    throw std::system_error(std::make_error_code(std::errc::no_space_on_device), "xenstored");
  });
  first.die();
  second.die();
  host_.machine().destroy_domain(1);
  host_.machine().destroy_domain(2);
  host_.store().announce("@releaseDomain");
  EXPECT_TRUE(closes(other));
  EXPECT_EQ(refused, 1);
}

}  // namespace
}  // namespace tapring
