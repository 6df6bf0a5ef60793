// SPDX-License-Identifier: MIT
// The daemon is killed, and another one begins on what is in xenstore and in the rings.
#include <chrono>

#include "tests/daemon/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

using sim::FrontendOptions;
using sim::SimFrontend;
using sim::SimLoad;

class Kill : public HostTest {
 protected:
  void kill_and_start() {
    host_.kill();
    EXPECT_EQ(host_.held(), "");
    host_.world().run_for(20ms);
    host_.start();
  }

  bool reports(const DiskLine& disk, const std::string& state) {
    return host_.run_until([&] { return host_.report(disk.name).state == state; });
  }

  void expect_refused(const DiskLine& disk) {
    EXPECT_TRUE(refused(disk));
    EXPECT_THAT(host_.report(disk.name).reason,
                testing::AllOf(testing::HasSubstr("requests unanswered"),
                               testing::HasSubstr("detach the disk with --force")));
  }

  DiskLine disk_ = line(1, "a.img");
};

INSTANTIATE_TEST_SUITE_P(Seeds, Kill, testing::ValuesIn(sim::seeds(4)));

TEST_P(Kill, AnIdleDiskIsTakenUp) {
  SimFrontend& frontend =
      attach_and_connect(disk_, {.ring_order = 2, .queues = 3, .persistent_grants = true});
  expect_served(frontend, {.requests = 100});
  kill_and_start();
  EXPECT_TRUE(reports(disk_, "connected"));
  expect_served(frontend, {.requests = 100});
  expect_detached(disk_);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Kill, RequestsThatMayHaveBeenServedAreNotServedAgain) {
  const DiskLine other = line(2, "b.img");
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 2});
  SimFrontend& idle = attach_and_connect(other);
  SimLoad load(host_.world(), frontend, {.requests = 1000});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 100; }));
  kill_and_start();
  expect_refused(disk_);
  const uint64_t answered = load.answered();
  EXPECT_TRUE(reports(other, "connected"));
  expect_served(idle, {.requests = 100});
  host_.world().run_for(1s);
  EXPECT_EQ(load.answered(), answered);
  load.stop();
  expect_detached(disk_);
  host_.world().run_for(100ms);  // the guest notices
  EXPECT_TRUE(frontend.released());
  attach_and_connect(disk_);
  expect_served(frontend, {.requests = 100});
}

TEST_P(Kill, ADiskThatWasDrainedIsTakenUpThoughItsNextDaemonDies) {
  SimFrontend& frontend = attach_and_connect(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 300});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  host_.restart();
  kill_and_start();  // before it has looked at anything
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
}

TEST_P(Kill, AnEarlierStopInOrderSaysNothingOfTheLastEnd) {
  SimFrontend& frontend = attach_and_connect(disk_);
  expect_served(frontend, {.requests = 20});
  host_.restart();
  EXPECT_TRUE(reports(disk_, "connected"));
  SimLoad load(host_.world(), frontend, {.requests = 1000});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 100; }));
  kill_and_start();
  expect_refused(disk_);
  load.stop();
}

TEST_P(Kill, AtAnyMomentOfAnAttachHoldsNothingUp) {
  for (int moment = 0; moment < 20; ++moment) {
    SimFrontend& frontend = attach(disk_);
    host_.world().run_for(moment * 800us);
    kill_and_start();
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); })) << moment;
    expect_served(frontend, {.requests = 10});
    expect_detached(disk_);
    EXPECT_EQ(host_.held(), "");
  }
}

TEST_P(Kill, AtAnyMomentOfADetachHoldsNothingUp) {
  for (int moment = 0; moment < 20; ++moment) {
    attach_and_connect(disk_);
    host_.toolstack().detach(disk_.name);
    host_.world().run_for(moment * 200us);
    kill_and_start();
    EXPECT_TRUE(reaches(disk_, Progress::gone)) << moment;
    EXPECT_EQ(host_.held(), "");
  }
}

TEST_P(Kill, AGuestThatWasDestroyedMeanwhileLeavesNothingBehind) {
  SimFrontend& frontend = attach_and_connect(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 1000});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 100; }));
  host_.kill();
  frontend.die();
  host_.toolstack().destroy(1);
  host_.world().run_for(100ms);
  host_.start();
  EXPECT_TRUE(reaches(disk_, Progress::gone));
  EXPECT_EQ(host_.held(), "");
  load.stop();
}

}  // namespace
}  // namespace tapring
