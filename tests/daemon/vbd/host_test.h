// SPDX-License-Identifier: MIT
// Disks of guests on a simulated host, in the words of those who attach them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/sim/host.h"
#include "tests/sim/load.h"

namespace tapring {

/// The parameter is the seed. At the end no guest may have seen anything wrong.
class HostTest : public testing::TestWithParam<uint64_t> {
 protected:
  using DiskLine = sim::DiskLine;
  using FrontendOptions = sim::FrontendOptions;
  using SimFrontend = sim::SimFrontend;
  using Progress = sim::SimToolstack::Progress;

  static constexpr uint64_t kImageBytes = uint64_t{8} << 20U;
  static constexpr sim::Time kToolstackPatience = std::chrono::seconds(10);

  ~HostTest() override {
    for (const SimFrontend* frontend : frontends_) {
      EXPECT_THAT(frontend->violations(), testing::IsEmpty());
    }
  }

  DiskLine line(DomainId domain, const std::string& image, const std::string& mode = "w") {
    return {.name = {.domain = domain}, .params = host_.make_image(image, kImageBytes),
            .mode = mode};
  }

  SimFrontend& attach(const DiskLine& line, const FrontendOptions& options = {}) {
    SimFrontend& frontend = host_.attach(line, options);
    frontends_.push_back(&frontend);
    return frontend;
  }

  SimFrontend& attach_and_connect(const DiskLine& line, const FrontendOptions& options = {}) {
    SimFrontend& frontend = attach(line, options);
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, kToolstackPatience));
    return frontend;
  }

  /// All of the load is answered without an error.
  void expect_served(SimFrontend& frontend, const sim::LoadOptions& options = {}) {
    sim::SimLoad load(host_.world(), frontend, options);
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
    EXPECT_EQ(load.failed(), 0U);
  }

  bool reaches(const DiskLine& line, Progress progress, sim::Time limit = kToolstackPatience) {
    return host_.run_until([&] { return host_.toolstack().progress(line.name) == progress; },
                           limit);
  }

  void expect_detached(const DiskLine& line) {
    host_.toolstack().detach(line.name);
    EXPECT_TRUE(reaches(line, Progress::gone)) << "state " << host_.backend_state(line);
  }

  /// Attaches a disk whose storage does not answer.
  void hang_at_check(const DiskLine& line) {
    attach(line);
    // The first work in the background is to find out whose the disk is.
    EXPECT_TRUE(host_.run_until([&] { return host_.background().running() == 1; }));
    hold_next_work();
  }

  /// Attaches a disk whose storage ceases to answer before the guest's driver is there.
  void hang_at_open(const DiskLine& line) {
    attach(line);
    EXPECT_TRUE(host_.run_until([&] { return host_.report(line.name).size_bytes > 0; }));
    hold_next_work();
  }

  /// Nothing may be held of the disk from then on.
  bool closes(const DiskLine& line) {
    return host_.run_until([&] { return host_.backend_state(line) == 6; }, kToolstackPatience);
  }

  bool refused(const DiskLine& line) {
    return host_.run_until([&] { return host_.report(line.name).state == "refused"; },
                           kToolstackPatience);
  }

  void hold_next_work() {
    host_.background().hold();
    EXPECT_TRUE(host_.run_until([&] { return host_.background().held() == 1; }));
    host_.background().stop_holding();
  }

  sim::Host host_{GetParam()};
  std::vector<SimFrontend*> frontends_;
};

}  // namespace tapring
