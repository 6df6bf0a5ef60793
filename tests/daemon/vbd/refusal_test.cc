// SPDX-License-Identifier: MIT
// Disks that cannot be served: each gets a reason, and its toolstack the states it waits for.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <chrono>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

class Refusal : public HostTest {
 protected:
  /// The reason; empty if the disk was not refused in time.
  std::string reason_for(const DiskLine& disk, const FrontendOptions& options = {}) {
    attach(disk, options);
    return refused(disk) ? host_.report(disk.name).reason : "";
  }

  DiskLine line_for(const std::string& params) { return {.name = {.domain = 1}, .params = params}; }
};

INSTANTIATE_TEST_SUITE_P(Seeds, Refusal, testing::ValuesIn(sim::seeds(3)));

TEST_P(Refusal, OfOneDiskTooManyUntilThereIsRoom) {
  host_.limit_disks(2);
  host_.restart();
  const DiskLine first = line(1, "a.img");
  const DiskLine second = line(2, "b.img");
  const DiskLine third = line(3, "c.img");
  attach_and_connect(first);
  SimFrontend& served = attach_and_connect(second);
  EXPECT_THAT(reason_for(third), testing::HasSubstr("max_disks"));
  EXPECT_EQ(sim::Host::descriptors(third.params), 0U);
  expect_detached(third);
  expect_served(served, {.requests = 20});
  expect_detached(first);
  expect_served(attach_and_connect(third), {.requests = 20});
}

TEST_P(Refusal, OfOneDiskTooManyEndsWithAReload) {
  host_.limit_disks(1);
  host_.restart();
  SimFrontend& served = attach_and_connect(line(1, "a.img"));
  const DiskLine second = line(2, "b.img");
  EXPECT_THAT(reason_for(second), testing::HasSubstr("max_disks"));
  expect_detached(second);
  host_.limit_disks(2);
  host_.reload();
  expect_served(attach_and_connect(second), {.requests = 20});
  expect_served(served, {.requests = 20});
}

TEST_P(Refusal, IsNotOfADiskInUseHoweverManyThereMayBe) {
  SimFrontend& first = attach_and_connect(line(1, "a.img"));
  SimFrontend& second = attach_and_connect(line(2, "b.img"));
  host_.limit_disks(1);
  host_.restart();
  expect_served(first, {.requests = 20});
  expect_served(second, {.requests = 20});
}

TEST_P(Refusal, OfAMissingImage) {
  const DiskLine disk = line_for(host_.image_path("nothing.img"));
  EXPECT_THAT(reason_for(disk), testing::HasSubstr("nothing.img"));
  expect_detached(disk);
}

TEST_P(Refusal, OfADirectory) {
  const DiskLine disk = line_for(host_.image_path(""));
  EXPECT_THAT(reason_for(disk), testing::HasSubstr(disk.params));
  expect_detached(disk);
}

TEST_P(Refusal, OfAnEmptyImage) {
  const DiskLine disk = line_for(host_.make_image("empty.img", 0));
  EXPECT_THAT(reason_for(disk), testing::HasSubstr("is empty"));
  expect_detached(disk);
}

TEST_P(Refusal, OfAnUnknownDriver) {
  DiskLine disk = line_for("vhd:/a.vhd");
  disk.kind = "vbd3";
  EXPECT_THAT(reason_for(disk), testing::HasSubstr("'vhd'"));
  expect_detached(disk);
}

TEST_P(Refusal, OfAnUnknownProtocol) {
  const DiskLine disk = line(1, "a.img");
  EXPECT_THAT(reason_for(disk, {.protocol = "ia64-abi"}), testing::HasSubstr("ia64-abi"));
  EXPECT_TRUE(closes(disk));
  EXPECT_EQ(host_.held(), "");
  expect_detached(disk);
}

TEST_P(Refusal, QuotesOnlyTheBeginningOfWhatAGuestWrote) {
  const DiskLine disk = line(1, "a.img");
  const std::string reason = reason_for(disk, {.protocol = std::string(1900, 'x')});
  EXPECT_THAT(reason, testing::HasSubstr("xxxx"));
  EXPECT_LT(reason.size(), 1000U);
  EXPECT_TRUE(closes(disk));
}

TEST_P(Refusal, OfARingRefThatIsNoGrant) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach(disk);
  EXPECT_TRUE(host_.run_until([&] { return frontend.queues() == 1; }));
  host_.store().write({{frontend_directory(disk.name) + "/ring-ref", "4000000000"}});
  EXPECT_TRUE(refused(disk));
  EXPECT_THAT(host_.report(disk.name).reason, testing::HasSubstr("4000000000"));
  EXPECT_TRUE(closes(disk));
  EXPECT_EQ(host_.held(), "");
  expect_detached(disk);
}

TEST_P(Refusal, KeepsState2UntilOurScriptHasReadTheReason) {
  DiskLine disk = line_for(host_.image_path("nothing.img"));
  disk.script = "/etc/xen/scripts/block-tapring";
  attach(disk);
  EXPECT_TRUE(refused(disk));
  EXPECT_EQ(host_.backend_state(disk), 2U);
  host_.store().write({{backend_directory(disk) + "/hotplug-status", "error"}});
  EXPECT_TRUE(closes(disk));
  expect_detached(disk);
}

TEST_P(Refusal, EndsWhenTheDriverComesAgain) {
  const DiskLine disk = line_for(host_.image_path("later.img"));
  SimFrontend& frontend = attach(disk);
  EXPECT_TRUE(refused(disk));
  host_.make_image("later.img", kImageBytes);
  host_.world().run_for(1s);
  frontend.reload();
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
}

TEST_P(Refusal, EndsWhenTheDriverComesAgainBeforeItsEndWasSeen) {
  const DiskLine disk = line_for(host_.image_path("later.img"));
  host_.machine().create_domain(disk.name.domain);
  host_.toolstack().attach(disk);
  EXPECT_TRUE(closes(disk));
  host_.make_image("later.img", kImageBytes);
  host_.world().run_for(1s);
  for (const char* state : {"5", "6", "1"}) {
    host_.store().write({{frontend_directory(disk.name) + "/state", state}});
  }
  EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(disk) == 2; }, 5s));
}

TEST_P(Refusal, IsNotForABlockDevice) {
  const std::string device = host_.image_path("device");
  ASSERT_EQ(::mknod(device.c_str(), S_IFBLK | 0600, makedev(7, 0)), 0) << "run the tests as root";
  const DiskLine disk = line_for(device);
  attach(disk);
  EXPECT_TRUE(host_.run_until([&] { return host_.report(disk.name).state == "kernel"; }));
  host_.world().run_for(1s);
  EXPECT_EQ(host_.backend_state(disk), 1U);
}

}  // namespace
}  // namespace tapring
