// SPDX-License-Identifier: MIT
// The daemon in a domain without privileges, whose part of xenstore is bounded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/sim/host.h"
#include "tests/sim/load.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

class DriverDomain : public testing::TestWithParam<uint64_t> {
 protected:
  static constexpr DomainId kOwn = 7;
  static constexpr uint64_t kImageBytes = uint64_t{1} << 20U;

  sim::DiskLine line(DomainId guest, uint32_t number) {
    const std::string name = "disk" + std::to_string(number);
    return {.name = {.domain = guest, .device = 51712 + 16 * number},
            .vdev = name,
            .params = host_.make_image(name, kImageBytes),
            .backend_domain = kOwn};
  }

  void expect_served(sim::SimFrontend& frontend) {
    sim::SimLoad load(host_.world(), frontend, {.requests = 30});
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
    EXPECT_EQ(load.failed(), 0U);
    EXPECT_THAT(frontend.violations(), testing::IsEmpty());
  }

  void expect_detached(const sim::DiskLine& line) {
    using Progress = sim::SimToolstack::Progress;
    host_.toolstack().detach(line.name);
    EXPECT_TRUE(host_.run_until(
        [&] { return host_.toolstack().progress(line.name) == Progress::gone; }, 10s))
        << line.vdev << " state " << host_.backend_state(line);
  }

  sim::Host host_{GetParam(), sim::Host::kMaxPersistentGrants, kOwn};
};

INSTANTIATE_TEST_SUITE_P(Seeds, DriverDomain, testing::ValuesIn(sim::seeds(1)));

TEST_P(DriverDomain, ServesADisk) {
  const sim::DiskLine disk = line(1, 0);
  sim::SimFrontend& frontend = host_.attach(disk);
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, 10s));
  expect_served(frontend);
  expect_detached(disk);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(DriverDomain, ServesAsManyDisksAsXenstoreHasRoomForAndTheOthersLater) {
  constexpr uint32_t kMany = 45;
  std::vector<sim::DiskLine> lines;
  std::vector<sim::SimFrontend*> frontends;
  for (uint32_t i = 0; i < kMany; ++i) {
    lines.push_back(line(static_cast<DomainId>(1 + i % 3), i));
    frontends.push_back(&host_.attach(lines.back()));
    host_.world().run_for(100ms);
  }
  host_.world().run_for(1s);
  std::size_t connected = 0;
  for (sim::SimFrontend* frontend : frontends) {
    if (!frontend->connected()) continue;
    ++connected;
    expect_served(*frontend);
  }
  EXPECT_GT(connected, 20U);
  EXPECT_LT(connected, kMany);
  for (const sim::DiskLine& line : lines) expect_detached(line);
  EXPECT_EQ(host_.held(), "");
  sim::SimFrontend& again = host_.attach(lines.back());
  EXPECT_TRUE(host_.run_until([&] { return again.connected(); }, 10s));
  expect_served(again);
}

TEST_P(DriverDomain, LetsGoOfAGuestWhoseEndItIsNotToldOf) {
  sim::SimFrontend& frontend = host_.attach(line(1, 0));
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, 10s));
  host_.machine().destroy_domain(1);
  host_.store().announce("@releaseDomain");
  host_.world().run_for(5s);
  EXPECT_EQ(host_.machine().zombies(), 1U);
  host_.check_guests();
  EXPECT_TRUE(host_.run_until([&] { return host_.machine().zombies() == 0; }, 10s));
}

}  // namespace
}  // namespace tapring
