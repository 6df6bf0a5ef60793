// SPDX-License-Identifier: MIT
// Disks whose storage no longer answers, on one worker with another's.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/sim/frontend.h"
#include "tests/sim/host.h"
#include "tests/sim/load.h"

namespace tapring {
namespace {

using sim::DiskLine;
using sim::SimFrontend;
using sim::SimLoad;
using std::chrono_literals::operator""s;

class HungStorage : public testing::TestWithParam<uint64_t> {
 protected:
  static constexpr uint64_t kImageBytes = uint64_t{4} << 20;

  SimFrontend& attach(DomainId domain, const std::string& image) {
    const DiskLine line{.name = {.domain = domain}, .params = host_.make_image(image, kImageBytes)};
    images_.push_back(line.params);
    SimFrontend& frontend = host_.attach(line, {.ring_order = 4});
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
    return frontend;
  }

  /// Large writes that never end, as many as the ring takes.
  void hang(SimFrontend& frontend) {
    host_.storage().hang(images_.back());
    for (int i = 0; i < 40; ++i) frontend.write(0, static_cast<uint32_t>(frontend.most_sectors()));
  }

  void expect_served(SimFrontend& frontend, sim::Time slowest) {
    SimLoad load(host_.world(), frontend, {.requests = 300, .flushes = 0.1});
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }, 30s));
    EXPECT_EQ(load.failed(), 0U);
    EXPECT_LT(load.slowest(), slowest);
  }

  sim::Host host_{GetParam(), 0, 0, 1};
  std::vector<std::string> images_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, HungStorage, testing::ValuesIn(sim::seeds(2)));

/// It was alone, and might have had all of the worker's memory.
TEST_P(HungStorage, OfOneDiskIsNotFeltByTheNext) {
  hang(attach(1, "hung"));
  host_.world().run_for(1s);
  expect_served(attach(2, "well"), 1s);
  host_.storage().release_all();
}

/// Together they take all of it before that they are stalled shows.
TEST_P(HungStorage, OfManyDisksHoldsUpTheOthersForTwoSeconds) {
  SimFrontend& well = attach(1, "well");
  for (DomainId domain = 2; domain <= 7; ++domain) {
    hang(attach(domain, "hung" + std::to_string(domain)));
  }
  expect_served(well, 3s);
  expect_served(well, 1s);
  host_.storage().release_all();
}

}  // namespace
}  // namespace tapring
