// SPDX-License-Identifier: MIT
#include <spdlog/spdlog.h>

#include "tests/daemon/vbd/host_test.h"
#include "tests/sim/log_lines.h"

namespace tapring {
namespace {

using DebugLog = HostTest;

INSTANTIATE_TEST_SUITE_P(Seeds, DebugLog, testing::ValuesIn(sim::seeds(2)));

TEST_P(DebugLog, TellsTheStoryOfADiskInFewLines) {
  const sim::LogLines log;
  spdlog::set_level(spdlog::level::trace);
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  expect_served(frontend, {.requests = 200});
  expect_detached(disk);
  for (const char* step : {"found as ", "states: backend 1, frontend 1", "opening aio:",
                           "to check it", "opening it took", "state 2 written", "to serve it",
                           "mapping 1 queue(s)", "connected: aio:", "ending: ", "ended", "closed",
                           "xenstore: read ", "xenstore: write ", "xenstore: event of "}) {
    EXPECT_GE(log.count_with(step), 1U) << step;
  }
  EXPECT_LE(log.count_with("1/xvda: "), 40U);
}

}  // namespace
}  // namespace tapring
