// SPDX-License-Identifier: MIT
// Whose lock on an image is waited for, for how long, and what is held meanwhile.
#include <chrono>
#include <optional>

#include "ring/open_file.h"
#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using sim::SimLoad;
using testing::AllOf;
using testing::HasSubstr;

class DeviceLock : public HostTest {
 protected:
  /// A process of this host has the image open for writing.
  static OpenFile use(const DiskLine& disk) { return open_file({.path = disk.params}); }

  std::string reason(const DiskLine& disk) const { return host_.report(disk.name).reason; }

  bool waits_for_lock(const DiskLine& disk) {
    return host_.run_until(
        [&] { return reason(disk).starts_with("waiting for the lock of " + disk.params); });
  }

  bool connects(SimFrontend& frontend) {
    return host_.run_until([&] { return frontend.connected(); });
  }

  /// Both domains are of one guest.
  void migrates(DomainId from, DomainId to) {
    const std::string guest = "/vm/0e2c6a4b-7d5f-4f0a-9a53-1f0d3c5b7a99";
    for (const DomainId domain : {from, to}) {
      host_.store().write({{"/local/domain/" + std::to_string(domain) + "/vm", guest}});
    }
  }

  DiskLine line_of(DomainId domain, const DiskLine& other) {
    DiskLine line = other;
    line.name.domain = domain;
    return line;
  }

  void destroy(SimFrontend& frontend, DomainId domain) {
    frontend.die();
    host_.toolstack().destroy(domain);
  }

  DiskLine disk_ = line(1, "a.img");
};

INSTANTIATE_TEST_SUITE_P(Seeds, DeviceLock, testing::ValuesIn(sim::seeds(3)));

TEST_P(DeviceLock, AnotherGuestsDiskIsRefusedByName) {
  SimFrontend& frontend = attach_and_connect(disk_);
  const DiskLine second = line_of(2, disk_);
  attach(second);
  EXPECT_TRUE(refused(second));
  EXPECT_EQ(reason(second), disk_.params + " is in use by disk 1/xvda of this tapringd");
  expect_detached(second);
  expect_served(frontend, {.requests = 20});
}

TEST_P(DeviceLock, ReadersShareAnImage) {
  const DiskLine first = line(1, "b.img", "r");
  attach_and_connect(first);
  attach_and_connect(line_of(2, first));
  DiskLine writer = line_of(3, first);
  writer.mode = "w";
  attach(writer);
  EXPECT_TRUE(refused(writer));
}

TEST_P(DeviceLock, AProgramsImageIsRefusedBeforeTheScriptIsDone) {
  const OpenFile program = use(disk_);
  host_.toolstack().script_takes(60s);
  attach(disk_);
  EXPECT_TRUE(refused(disk_));
  EXPECT_THAT(reason(disk_), AllOf(HasSubstr(disk_.params + " is in use by "), HasSubstr("pid ")));
}

TEST_P(DeviceLock, AProgramMayTakeAMomentToLeave) {
  std::optional<OpenFile> program = use(disk_);
  SimFrontend& frontend = attach(disk_);
  EXPECT_TRUE(waits_for_lock(disk_));
  EXPECT_EQ(host_.backend_state(disk_), 2U);
  host_.world().run_for(1s);
  program.reset();
  EXPECT_TRUE(connects(frontend));
}

TEST_P(DeviceLock, IsTakenWhenTheGuestComesAndNotBefore) {
  host_.toolstack().script_takes(20s);
  attach(disk_);
  host_.world().run_for(5s);
  EXPECT_EQ(host_.report(disk_.name).state, "waiting");
  EXPECT_EQ(sim::Host::descriptors(disk_.params), 0U);
  const OpenFile program = use(disk_);
  EXPECT_TRUE(host_.run_until([&] { return host_.report(disk_.name).state == "refused"; }));
  EXPECT_THAT(reason(disk_), HasSubstr("is in use by "));
  EXPECT_TRUE(closes(disk_));
}

TEST_P(DeviceLock, OfAnotherHostIsWaitedForUntilTheGuestHasMoved) {
  host_.storage().lock_elsewhere(disk_.params);
  SimFrontend& frontend = attach(disk_);
  EXPECT_TRUE(reaches(disk_, Progress::attached));
  EXPECT_TRUE(waits_for_lock(disk_));
  EXPECT_THAT(reason(disk_), HasSubstr("held by another host"));
  host_.world().run_for(5s);
  EXPECT_EQ(host_.backend_state(disk_), 2U);
  EXPECT_EQ(sim::Host::descriptors(disk_.params), 0U);
  host_.storage().unlock_elsewhere(disk_.params);
  EXPECT_TRUE(connects(frontend));
  expect_served(frontend, {.requests = 50});
}

TEST_P(DeviceLock, OfAnotherHostDoesNotHoldUpADetach) {
  host_.storage().lock_elsewhere(disk_.params);
  attach(disk_);
  EXPECT_TRUE(waits_for_lock(disk_));
  expect_detached(disk_);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(DeviceLock, OfTheSameGuestIsWaitedForUntilItHasMoved) {
  migrates(1, 2);
  const DiskLine destination = line_of(2, disk_);
  SimFrontend& source = attach_and_connect(disk_);
  SimFrontend& moved = attach(destination);
  EXPECT_TRUE(reaches(destination, Progress::attached));
  EXPECT_TRUE(waits_for_lock(destination));
  EXPECT_THAT(reason(destination), HasSubstr("held by disk 1/xvda of this tapringd"));
  expect_served(source, {.requests = 100});
  host_.world().run_for(5s);
  EXPECT_EQ(host_.backend_state(destination), 2U);
  destroy(source, 1);
  EXPECT_TRUE(connects(moved));
  expect_served(moved, {.requests = 100});
}

TEST_P(DeviceLock, OfTheSameGuestIsKeptIfItStays) {
  migrates(1, 2);
  const DiskLine destination = line_of(2, disk_);
  SimFrontend& source = attach_and_connect(disk_);
  SimFrontend& given_up = attach(destination);
  EXPECT_TRUE(waits_for_lock(destination));
  destroy(given_up, 2);
  EXPECT_TRUE(reaches(destination, Progress::gone));
  expect_served(source, {.requests = 100});
  expect_detached(disk_);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(DeviceLock, OfAnybodyIsWaitedForWithADiskThatWasServedBefore) {
  SimFrontend& frontend = attach_and_connect(disk_);
  host_.kill();
  std::optional<OpenFile> program = use(disk_);
  host_.start();
  EXPECT_TRUE(waits_for_lock(disk_));
  host_.world().run_for(5s);
  EXPECT_EQ(host_.report(disk_.name).state, "waiting");
  EXPECT_EQ(host_.backend_state(disk_), 4U);
  program.reset();
  EXPECT_TRUE(host_.run_until([&] { return host_.report(disk_.name).state == "connected"; }));
  expect_served(frontend, {.requests = 50});
}

TEST_P(DeviceLock, OfADiskThatWasServedBeforeHoldsUpNeitherDetachNorStop) {
  attach_and_connect(disk_);
  host_.kill();
  const OpenFile program = use(disk_);
  host_.start();
  EXPECT_TRUE(waits_for_lock(disk_));
  host_.restart();
  EXPECT_TRUE(waits_for_lock(disk_));
  expect_detached(disk_);
}

// Nothing of it may still be written when its successor does what it had under way.
TEST_P(DeviceLock, OfAKilledDaemonIsWaitedForUntilItsLastWriteIsDone) {
  DomainId domain = 2;
  for (const char* mode : {"w", "w!"}) {
    const DiskLine disk = line(domain++, std::string("hangs") + mode, mode);
    SimFrontend& frontend = attach_and_connect(disk);
    host_.storage().hang(disk.params);
    SimLoad load(host_.world(), frontend, {.requests = 8, .depth = 8, .flushes = 0});
    host_.world().run_for(1s);
    host_.kill();
    host_.start();
    EXPECT_TRUE(waits_for_lock(disk)) << mode;
    host_.world().run_for(5s);
    EXPECT_EQ(host_.report(disk.name).state, "waiting") << mode;
    host_.storage().release(disk.params);
    EXPECT_TRUE(host_.run_until([&] { return host_.report(disk.name).state != "waiting"; }));
    load.stop();
    expect_detached(disk);
  }
}

TEST_P(DeviceLock, WithoutOneTwoDisksShareAnImageThroughADeath) {
  const DiskLine first = line(1, "shared", "w!");
  const DiskLine second = line_of(2, first);
  attach_and_connect(first);
  attach_and_connect(second);
  host_.kill();
  host_.start();
  for (const DiskLine& disk : {first, second}) {
    EXPECT_TRUE(host_.run_until([&] { return host_.report(disk.name).state == "connected"; }));
  }
}

}  // namespace
}  // namespace tapring
