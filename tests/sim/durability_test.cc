// SPDX-License-Identifier: MIT
// What is left of a guest's writes when the host loses its power.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "tests/sim/host.h"
#include "tests/sim/load.h"

namespace tapring::sim {
namespace {

class Durability : public testing::TestWithParam<std::tuple<uint64_t, std::string>> {
 protected:
  Durability() {
    const std::string image = host_.make_image("a.img", uint64_t{1} << 20U);
    line_ = {.name = {.domain = 1}, .params = std::get<1>(GetParam()) + image,
             .script = "/etc/xen/scripts/block-tapring"};
    host_.make_losable(line_, image);
    frontend_ = &connect();
  }

  /// From now on the storage takes 4096 bytes at a time.
  void use_large_blocks() {
    host_.storage().behaviour(host_.image_path("a.img")).block_bytes = 4096;
    host_.make_losable(line_, host_.image_path("a.img"));
    host_.restart();
    EXPECT_TRUE(host_.run_until([&] { return host_.report(line_.name).state == "connected"; }));
  }

  SimFrontend& connect() {
    SimFrontend& frontend = host_.attach(line_);
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
    return frontend;
  }

  void run(const LoadOptions& options) {
    SimLoad load(host_.world(), *frontend_, options);
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
    EXPECT_EQ(load.failed(), 0U);
  }

  void flush() {
    bool done = false;
    frontend_->flush([&](int16_t status) { done = status == kGuestOkay; });
    EXPECT_TRUE(host_.run_until([&] { return done; }));
  }

  /// Another guest of the next boot reads everything; what it found wrong.
  std::vector<std::string> look_after_power_off() {
    host_.power_off();
    line_.name.domain = 2;
    SimFrontend& reader = connect();
    uint64_t left = reader.sectors() / 8;
    for (uint64_t sector = 0; sector < reader.sectors(); sector += 8) {
      reader.read(sector, 8, [&left](int16_t status) { left -= status == kGuestOkay ? 1 : 0; });
    }
    EXPECT_TRUE(host_.run_until([&] { return left == 0; }));
    return reader.violations();
  }

  Host host_{std::get<0>(GetParam())};
  DiskLine line_;
  SimFrontend* frontend_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(SeedsAndFormats, Durability,
                         testing::Combine(testing::ValuesIn(seeds(4)),
                                          testing::Values("raw:", "aio:")));

constexpr LoadOptions kWrites{.requests = 60, .writes = 1, .flushes = 0, .most_sectors = 32,
                              .region_sectors = 512};

TEST_P(Durability, WhatAFlushAcknowledgedSurvives) {
  run(kWrites);
  flush();
  EXPECT_THAT(look_after_power_off(), testing::IsEmpty());
}

TEST_P(Durability, OldWritesDoNotComeBackOverFlushedOnes) {
  for (int i = 0; i < 3; ++i) run(kWrites);
  flush();
  run(kWrites);
  EXPECT_THAT(look_after_power_off(), testing::IsEmpty());
}

TEST_P(Durability, FlushesAmongWritesInFlightHoldAsWell) {
  SimLoad load(host_.world(), *frontend_,
               {.requests = 400, .depth = 32, .writes = 0.9, .flushes = 0.1, .barriers = 0.05,
                .most_sectors = 32, .region_sectors = 512});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 200; }));
  EXPECT_THAT(look_after_power_off(), testing::IsEmpty());
}

TEST_P(Durability, ARestartOfTheDaemonLosesNoFlush) {
  run(kWrites);
  flush();
  host_.restart();
  run(kWrites);
  EXPECT_THAT(look_after_power_off(), testing::IsEmpty());
}

TEST_P(Durability, FlushedNeighboursOfSmallWritesSurviveOnStorageOfLargeBlocks) {
  use_large_blocks();
  for (uint64_t sector = 0; sector < kWrites.region_sectors; sector += 8)
    frontend_->write(sector, 8);
  EXPECT_TRUE(host_.run_until([&] { return frontend_->in_flight() == 0; }));
  flush();
  SimLoad load(host_.world(), *frontend_,
               {.requests = 400,
                .depth = 32,
                .writes = 0.9,
                .flushes = 0.02,
                .most_sectors = 3,
                .region_sectors = kWrites.region_sectors});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 200; }));
  EXPECT_THAT(look_after_power_off(), testing::IsEmpty());
}

TEST_P(Durability, WithoutAFlushTheSimulatedStorageDoesLoseWrites) {
  frontend_->write(0, 64);
  EXPECT_TRUE(host_.run_until([&] { return frontend_->in_flight() == 0; }));
  host_.power_off();
  line_.name.domain = 2;
  frontend_ = &connect();
  std::size_t zeros = 0;
  frontend_->queue(0).submit(
      {.operation = kGuestRead, .sector = 0, .sectors = 64, .data = {},
       .done = [&zeros](int16_t, std::span<const std::byte> data) {
         zeros = static_cast<std::size_t>(std::ranges::count(data, std::byte{0}));
       }});
  EXPECT_TRUE(host_.run_until([&] { return frontend_->in_flight() == 0; }));
  EXPECT_GT(zeros, 5U * 512U);
  EXPECT_LT(zeros, 60U * 512U);
}

}  // namespace
}  // namespace tapring::sim
