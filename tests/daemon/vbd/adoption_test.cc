// SPDX-License-Identifier: MIT
// A disk goes to xen-blkback and comes back while its guest uses it.
#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <filesystem>

#include "ring/file_lock.h"
#include "ring/unique_fd.h"
#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

using sim::SimFrontend;
using sim::SimLoad;
using testing::HasSubstr;
using testing::IsEmpty;

class Adoption : public HostTest {
 protected:
  Adoption() { host_.kernel().load(); }

  bool reports(const std::string& state) {
    return host_.run_until([&] { return host_.report(disk_.name).state == state; },
                           kToolstackPatience);
  }

  void give() {
    EXPECT_THAT(host_.release(disk_.name), IsEmpty());
    EXPECT_TRUE(reports("kernel")) << host_.report(disk_.name).reason;
    EXPECT_EQ(sim::Host::descriptors(disk_.params), 0U);
    EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(disk_) == 4; }));
  }

  void take() {
    EXPECT_THAT(host_.adopt(disk_.name), IsEmpty());
    EXPECT_TRUE(reports("connected")) << host_.report(disk_.name).reason;
  }

  /// xen-blkback has let go of the disk, and we wait for its event channels.
  void begin_to_take() {
    host_.kernel().finishes_in(5s);
    EXPECT_THAT(host_.adopt(disk_.name), IsEmpty());
    EXPECT_TRUE(host_.run_until([&] { return !host_.kernel().serves("vbd-1-51712"); }));
    host_.world().run_for(100ms);
    EXPECT_EQ(host_.report(disk_.name).state, "adopting");
  }

  /// The kernel serves on, and the guest notices nothing.
  void expect_not_taken(const std::string& reason) {
    EXPECT_THAT(host_.adopt(disk_.name), IsEmpty());
    EXPECT_TRUE(reports("kernel")) << host_.report(disk_.name).state;
    EXPECT_THAT(host_.report(disk_.name).reason, HasSubstr(reason));
    EXPECT_TRUE(host_.kernel().serves("vbd-1-51712"));
    EXPECT_TRUE(host_.run_until([&] { return sim::Host::descriptors(disk_.params) == 0; }, 1s));
  }

  BlockDevice& loop_device() { return host_.kernel().loop_device(sim::loop_device_of(disk_.name)); }

  DiskLine loop_disk() {
    DiskLine disk = line(1, "a.img");
    disk.has_loop_device = true;
    return disk;
  }

  DiskLine disk_ = loop_disk();
};

INSTANTIATE_TEST_SUITE_P(Seeds, Adoption, testing::ValuesIn(sim::seeds(2)));

TEST_P(Adoption, ThereAndBackUnderLoadLosesNothing) {
  SimFrontend& frontend = attach_and_connect(disk_, {.ring_order = 1, .queues = 2});
  host_.kernel().finishes_in(300ms);
  SimLoad load(host_.world(), frontend, {.requests = 400});
  for (uint64_t round = 1; round <= 5; ++round) {
    EXPECT_TRUE(host_.run_until([&] { return load.answered() > 40 * round; }));
    give();
    host_.world().run_for(10ms);  // the guest sees what was answered before
    const uint64_t answered = load.answered();
    host_.world().run_for(50ms);
    EXPECT_EQ(load.answered(), answered);
    take();
  }
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  expect_detached(disk_);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Adoption, ADiskOfTheKernelStaysThereThroughARestart) {
  SimFrontend& frontend = attach_and_connect(disk_);
  give();
  host_.restart();
  EXPECT_TRUE(reports("kernel"));
  take();
  expect_served(frontend, {.requests = 50});
}

TEST_P(Adoption, ADaemonThatDiesAtAnyMomentOfItLeavesADiskThatGoesOn) {
  SimFrontend& frontend = attach_and_connect(disk_);
  for (int moment = 0; moment < 20; ++moment) {
    SimLoad load(host_.world(), frontend, {.requests = 20});
    give();
    EXPECT_THAT(host_.adopt(disk_.name), IsEmpty());
    host_.world().run_for(moment * 300us);
    host_.kill();
    host_.start();
    EXPECT_TRUE(host_.run_until([&] {
      const std::string state = host_.report(disk_.name).state;
      return state == "kernel" || state == "connected";
    })) << moment
        << host_.report(disk_.name).reason;
    if (host_.report(disk_.name).state == "kernel") take();
    EXPECT_TRUE(host_.run_until([&] { return load.done(); })) << moment;
    EXPECT_EQ(load.failed(), 0U);
  }
}

TEST_P(Adoption, AnImageThatCannotBeOpenedStaysWithTheKernel) {
  attach_and_connect(disk_);
  give();
  const std::string elsewhere = disk_.params + ".away";
  std::filesystem::rename(disk_.params, elsewhere);
  EXPECT_THAT(host_.adopt(disk_.name), IsEmpty());
  EXPECT_TRUE(reports("kernel"));
  EXPECT_THAT(host_.report(disk_.name).reason, HasSubstr("No such file"));
  EXPECT_TRUE(host_.kernel().serves("vbd-1-51712"));
  std::filesystem::rename(elsewhere, disk_.params);
  take();
}

TEST_P(Adoption, AnImageThatIsInUseStaysWithTheKernel) {
  attach_and_connect(disk_);
  give();
  const UniqueFd rival(::open(disk_.params.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(take_lock(rival.get(), {Sharing::exclusive}));
  EXPECT_THAT(host_.adopt(disk_.name), IsEmpty());
  EXPECT_TRUE(reports("kernel"));
  EXPECT_THAT(host_.report(disk_.name).reason, HasSubstr("in use"));
  EXPECT_TRUE(host_.kernel().serves("vbd-1-51712"));
}

TEST_P(Adoption, AnotherFileAtThePathIsNotTaken) {
  SimFrontend& frontend = attach_and_connect(disk_);
  give();
  const std::string old = disk_.params + ".old";
  std::filesystem::rename(disk_.params, old);
  std::filesystem::copy_file(old, disk_.params);
  expect_not_taken(old);
  std::filesystem::rename(old, disk_.params);
  take();
  expect_served(frontend, {.requests = 50});
}

TEST_P(Adoption, AFileThatReplacedTheDiskIsNotTaken) {
  attach_and_connect(disk_);
  give();
  std::filesystem::copy_file(disk_.params, disk_.params + ".new");
  std::filesystem::rename(disk_.params + ".new", disk_.params);
  expect_not_taken(disk_.params + " (deleted)");
}

TEST_P(Adoption, AFileThatShrankIsNotTaken) {
  attach_and_connect(disk_);
  give();
  std::filesystem::resize_file(disk_.params, kImageBytes / 2);
  expect_not_taken("make it 8388608 bytes long again");
}

TEST_P(Adoption, APartOfAFileIsNotTaken) {
  attach_and_connect(disk_);
  give();
  loop_device().loop->offset = 4096;
  expect_not_taken("offset 4096");
}

TEST_P(Adoption, ADiskThatGrewIsGivenOnceItsLoopDeviceHasGrown) {
  attach_and_connect(disk_);
  std::filesystem::resize_file(disk_.params, 2 * kImageBytes);
  host_.check_sizes();
  host_.world().run_for(1s);
  EXPECT_THAT(host_.release(disk_.name), HasSubstr("losetup -c /dev/loop"));
  loop_device().size_bytes = 2 * kImageBytes;
  give();
}

TEST_P(Adoption, AnotherFileThanThatOfTheLoopDeviceIsNotGiven) {
  SimFrontend& frontend = attach_and_connect(disk_);
  const std::string other = host_.make_image("other.img", kImageBytes);
  host_.kernel().make_loop_device(sim::loop_device_of(disk_.name), other);
  SimLoad load(host_.world(), frontend, {.requests = 200});
  EXPECT_THAT(host_.release(disk_.name), IsEmpty());
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_TRUE(reports("connected"));
  EXPECT_THAT(host_.report(disk_.name).reason, HasSubstr(other));
  std::filesystem::remove(other);
  EXPECT_THAT(host_.release(disk_.name), HasSubstr(other + " (deleted)"));
}

TEST_P(Adoption, WhatTheKernelDoesNotTakeIsServedOn) {
  SimFrontend& frontend = attach_and_connect(disk_);
  host_.kernel().fail_binds(system_error_code(EBUSY));
  SimLoad load(host_.world(), frontend, {.requests = 200});
  EXPECT_THAT(host_.release(disk_.name), IsEmpty());
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_TRUE(reports("connected"));
}

TEST_P(Adoption, WhyTheKernelDoesNotTakeItIsSaidUntilTheNextAttempt) {
  attach_and_connect(disk_);
  host_.kernel().fail_binds(system_error_code(EBUSY));
  EXPECT_THAT(host_.release(disk_.name), IsEmpty());
  EXPECT_TRUE(reports("connected"));
  host_.world().run_for(1s);
  EXPECT_THAT(host_.report(disk_.name).reason, HasSubstr("not given to xen-blkback: "));
  host_.kernel().fail_binds({});
  give();
  EXPECT_EQ(host_.report(disk_.name).reason, "released by tapring");
  take();
  EXPECT_EQ(host_.report(disk_.name).reason, "");
}

TEST_P(Adoption, AGuestWhoseNextKernelComesMeanwhileConnectsToUs) {
  SimFrontend& frontend = attach_and_connect(disk_);
  give();
  begin_to_take();
  frontend.kexec({});
  EXPECT_TRUE(closes(disk_));
  EXPECT_NE(host_.report(disk_.name).state, "adopting");
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, kToolstackPatience));
  EXPECT_EQ(host_.report(disk_.name).reason, "");
  expect_served(frontend, {.requests = 50});
}

TEST_P(Adoption, AGuestWhoseNextKernelComesMeanwhileIsRefusedAsAnyOther) {
  SimFrontend& frontend = attach_and_connect(disk_);
  give();
  begin_to_take();
  std::filesystem::rename(disk_.params, disk_.params + ".away");
  frontend.kexec({});
  EXPECT_TRUE(refused(disk_)) << host_.report(disk_.name).state;
  EXPECT_THAT(host_.report(disk_.name).reason, HasSubstr("No such file"));
  EXPECT_FALSE(host_.kernel().serves("vbd-1-51712"));
}

TEST_P(Adoption, AGuestThatTakesItsPagesBackIsGivenToAKernelThatReturnsThem) {
  host_.restart(0);
  SimFrontend& frontend = attach_and_connect(disk_);
  host_.store().write({{sim::frontend_directory(disk_.name) + "/feature-persistent", "1"}});
  host_.kernel().parameters().persistent_grants = true;
  give();
  EXPECT_FALSE(host_.kernel().keeps_pages("vbd-1-51712"));
  EXPECT_TRUE(host_.run_until([&] { return host_.kernel().parameters().persistent_grants; }, 1s))
      << "for the disks after it";
  take();
  expect_served(frontend, {.requests = 50});
}

TEST_P(Adoption, AReleaseThatFailsLeavesTheKernelsParameterAlone) {
  host_.restart(0);
  attach_and_connect(disk_);
  host_.store().write({{sim::frontend_directory(disk_.name) + "/feature-persistent", "1"}});
  host_.kernel().parameters().persistent_grants = true;
  host_.kernel().fail_binds(system_error_code(EBUSY));
  EXPECT_THAT(host_.release(disk_.name), IsEmpty());
  EXPECT_TRUE(reports("connected"));
  EXPECT_TRUE(host_.run_until([&] { return host_.kernel().parameters().persistent_grants; }));
}

TEST_P(Adoption, MoreRingsThanTheKernelTakesAreNotGiven) {
  attach_and_connect(disk_, {.queues = 2});
  host_.kernel().parameters().max_queues = 1;
  EXPECT_THAT(host_.release(disk_.name), HasSubstr("max_queues"));
}

TEST_P(Adoption, ADiskWithoutALoopDeviceIsNotGiven) {
  disk_.has_loop_device = false;
  attach_and_connect(disk_);
  EXPECT_THAT(host_.release(disk_.name), HasSubstr("loop device"));
}

TEST_P(Adoption, ADiskDetachedMeanwhileGoes) {
  for (int moment = 0; moment < 10; ++moment) {
    attach_and_connect(disk_);
    EXPECT_THAT(host_.release(disk_.name), IsEmpty());
    host_.world().run_for(moment * 500us);
    host_.toolstack().force_detach(disk_.name);
    EXPECT_TRUE(reaches(disk_, Progress::gone)) << moment;
    host_.world().run_for(100ms);
    EXPECT_EQ(host_.held(), "");
  }
}

/// The node is gone, and made again for another disk, before xen-blkback has let go of the first.
TEST_P(Adoption, TheNextDiskOfItsNameWaitsUntilTheKernelHasLetGo) {
  attach_and_connect(disk_);
  give();
  EXPECT_THAT(host_.adopt(disk_.name), IsEmpty());
  EXPECT_TRUE(host_.run_until([&] { return host_.background().running() == 1; })) << "opening";
  hold_next_work();
  host_.toolstack().force_detach(disk_.name);
  EXPECT_TRUE(reaches(disk_, Progress::gone));
  const DiskLine next = line(1, "b.img");
  SimFrontend& frontend = attach(next);
  host_.world().run_for(1s);
  EXPECT_FALSE(frontend.connected());
  host_.background().release();
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, kToolstackPatience));
  SimLoad load(host_.world(), frontend, {.requests = 200});
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  expect_detached(next);
  EXPECT_EQ(host_.held(), "");
}

}  // namespace
}  // namespace tapring
