// SPDX-License-Identifier: MIT
// What guests leave behind: the keys of an earlier kernel, and the disk of one that died.
#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using Leftover = HostTest;

INSTANTIATE_TEST_SUITE_P(Seeds, Leftover, testing::ValuesIn(sim::seeds(3)));

TEST_P(Leftover, KeysOfAnEarlierKernelAreNotRead) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach(disk);
  const std::string directory = sim::frontend_directory(disk.name);
  host_.store().write({{directory + "/ring-ref0", "77"},
                       {directory + "/queue-0/ring-ref", "78"},
                       {directory + "/queue-0/event-channel", "79"}});
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, kToolstackPatience));
  expect_served(frontend, {.requests = 20});
}

TEST_P(Leftover, NothingOfADeadGuestIsHeldThoughNobodyDetachesItsDisk) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  frontend.die();
  host_.machine().destroy_domain(1);
  host_.store().announce("@releaseDomain");
  EXPECT_TRUE(closes(disk));
  EXPECT_EQ(host_.held(), "");
}

}  // namespace
}  // namespace tapring
