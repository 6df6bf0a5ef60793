// SPDX-License-Identifier: MIT
// Disks that xen-blkback could serve as well as we: which of the two serves them.
#include <cerrno>
#include <chrono>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class PlainLine : public HostTest {
 protected:
  static constexpr const char* kDevice = "vbd-1-51712";

  PlainLine() { host_.kernel().load(); }

  SimFrontend& attach_at_kernel(const DiskLine& disk) {
    host_.kernel().take(kDevice);
    return attach(disk);
  }

  void expect_left(const DiskLine& disk, const std::string& reason) {
    EXPECT_TRUE(host_.run_until([&] { return host_.report(disk.name).state == "kernel"; },
                                kToolstackPatience))
        << host_.report(disk.name).state;
    EXPECT_THAT(host_.report(disk.name).reason, HasSubstr(reason));
    host_.world().run_for(1s);
    EXPECT_TRUE(host_.kernel().serves(kDevice));
    EXPECT_EQ(host_.backend_state(disk), 1U);
    EXPECT_EQ(host_.held(), "");
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, PlainLine, testing::ValuesIn(sim::seeds(3)));

TEST_P(PlainLine, IsTakenFromTheKernel) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_at_kernel(disk);
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, kToolstackPatience));
  EXPECT_FALSE(host_.kernel().serves(kDevice));
}

TEST_P(PlainLine, IsLeftToTheKernelIfWeMayNotOpenItsImage) {
  const DiskLine disk = line(1, "a.img");
  for (const int error : {EACCES, EPERM, EROFS, ENOENT, EXDEV, ELOOP, ENOTDIR}) {
    host_.storage().behaviour(disk.params).opening = system_error_code(error);
    attach_at_kernel(disk);
    expect_left(disk, disk.params);
    EXPECT_THAT(host_.report(disk.name).reason, HasSubstr("tapring adopt 1/xvda"));
    host_.toolstack().force_detach(disk.name);
    EXPECT_TRUE(reaches(disk, Progress::gone));
  }
}

TEST_P(PlainLine, IsLeftToTheKernelIfWeMayNotTakeIt) {
  const DiskLine disk = line(1, "a.img");
  host_.kernel().fail_unbinds(system_error_code(EROFS));
  attach_at_kernel(disk);
  expect_left(disk, "ReadWritePaths=/sys/bus/xen-backend");
}

TEST_P(PlainLine, IsRefusedIfItsImageIsAtFault) {
  const DiskLine disk{.name = {.domain = 1}, .params = host_.make_image("empty.img", 0)};
  attach_at_kernel(disk);
  EXPECT_TRUE(refused(disk));
  expect_detached(disk);
}

TEST_P(PlainLine, WithOurScriptIsRefusedIfWeMayNotOpenItsImage) {
  DiskLine disk = line(1, "a.img");
  disk.script = "/etc/xen/scripts/block-tapring";
  host_.storage().behaviour(disk.params).opening = system_error_code(EACCES);
  attach_at_kernel(disk);
  EXPECT_TRUE(refused(disk));
}

TEST_P(PlainLine, InUseIsNotLeftByARestart) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_at_kernel(disk);
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, kToolstackPatience));
  host_.storage().behaviour(disk.params).opening = system_error_code(EACCES);
  host_.restart();
  host_.world().run_for(1s);
  EXPECT_EQ(host_.report(disk.name).state, "refused");
  EXPECT_FALSE(host_.kernel().serves(kDevice));
  host_.storage().behaviour(disk.params).opening = {};
  expect_served(frontend, {.requests = 20});
}

TEST_P(PlainLine, IsLeftToTheKernelIfTheConfigurationSaysSo) {
  host_.plain_lines(PlainLines::leave);
  host_.restart();
  const DiskLine disk = line(1, "a.img");
  attach_at_kernel(disk);
  expect_left(disk, "plain_lines");
}

TEST_P(PlainLine, IsLeftToTheKernelOnceAReloadedConfigurationSaysSo) {
  const DiskLine served = line(2, "b.img");
  SimFrontend& frontend = attach_and_connect(served);
  host_.plain_lines(PlainLines::leave);
  host_.reload();
  const DiskLine disk = line(1, "a.img");
  attach_at_kernel(disk);
  EXPECT_TRUE(host_.run_until([&] { return host_.report(disk.name).state == "kernel"; }));
  expect_served(frontend, {.requests = 20});
}

TEST_P(PlainLine, InUseIsNotLeftByANewConfiguration) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_at_kernel(disk);
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, kToolstackPatience));
  host_.plain_lines(PlainLines::leave);
  host_.restart();
  expect_served(frontend, {.requests = 20});
}

/// The daemon before had taken it, and ended before the guest was there.
TEST_P(PlainLine, ThatIsLeftAfterAllGoesBackToTheKernel) {
  DiskLine disk = line(1, "a.img");
  host_.toolstack().script_takes(5s);
  attach_at_kernel(disk);
  EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(disk) == 2; }));
  EXPECT_TRUE(host_.run_until([&] { return host_.background().idle(); }));
  EXPECT_FALSE(host_.kernel().serves(kDevice));
  host_.plain_lines(PlainLines::leave);
  host_.restart();
  EXPECT_TRUE(host_.run_until([&] { return host_.kernel().serves(kDevice); }, 1s));
  EXPECT_EQ(host_.report(disk.name).state, "kernel");
}

TEST_P(PlainLine, WithOurScriptIsServedWhateverTheConfigurationSaysOfOthers) {
  host_.plain_lines(PlainLines::leave);
  host_.restart();
  DiskLine disk = line(1, "a.img");
  disk.script = "/etc/xen/scripts/block-tapring";
  expect_served(attach_and_connect(disk), {.requests = 20});
}

}  // namespace
}  // namespace tapring
