// SPDX-License-Identifier: MIT
// A hostile guest beside one that behaves: whatever the first one does, the second must be served
// as always, and nothing of the first one may stay behind.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/host.h"
#include "tests/sim/load.h"
#include "tests/sim/log_lines.h"
#include "tests/sim/misbehaviour.h"

namespace tapring::sim {

class HostileTest : public testing::TestWithParam<uint64_t> {
 protected:
  static constexpr uint64_t kImageBytes = uint64_t{1} << 20U;
  static constexpr uint64_t kSectors = kImageBytes / 512;
  static constexpr DomainId kHostile = 1;
  static constexpr DomainId kNeighbour = 2;
  /// The most that a request of the neighbour may take: its storage takes under a millisecond.
  static constexpr Time kNeighbourPatience = std::chrono::milliseconds(20);

  HostileTest() { neighbour_ = &connect(neighbour_line_, {.queues = 2}); }

  ~HostileTest() override {
    expect_neighbour_served();
    host_.toolstack().destroy(kHostile);
    EXPECT_TRUE(host_.run_until([&] { return host_.machine().mappings_of(kHostile) == 0; }));
    EXPECT_TRUE(host_.run_until([&] { return Host::descriptors(hostile_line_.params) == 0; }));
    EXPECT_THAT(neighbour_->violations(), testing::IsEmpty());
    EXPECT_EQ(bytes_of_hostile_image().size(), kImageBytes);
  }

  SimFrontend& connect(const DiskLine& line, const FrontendOptions& options) {
    SimFrontend& frontend = host_.attach(line, options);
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }))
        << "state " << host_.backend_state(line) << ", " << host_.report(line.name).reason;
    return frontend;
  }

  SimFrontend& connect_hostile(const FrontendOptions& options = {}) {
    return connect(hostile_line_, options);
  }

  /// By force; then its guest has seen that too, and an open that was under way has ended.
  void take_hostile_away() {
    host_.toolstack().force_detach(hostile_line_.name);
    EXPECT_TRUE(host_.run_until([&] {
      return host_.toolstack().progress(hostile_line_.name) == SimToolstack::Progress::gone;
    }));
    EXPECT_EQ(host_.machine().mappings_of(kHostile), 0U);
    host_.world().run_for(std::chrono::milliseconds(10));
  }

  void expect_neighbour_served() {
    SimLoad load(host_.world(), *neighbour_, {.requests = 100, .most_sectors = 64});
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
    EXPECT_EQ(load.failed(), 0U);
    EXPECT_LT(load.slowest(), kNeighbourPatience);
  }

  void expect_served(SimFrontend& frontend) {
    SimLoad load(host_.world(), frontend, {.requests = 50, .most_sectors = 64});
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
    EXPECT_EQ(load.failed(), 0U);
  }

  /// The status of the answer; nullopt if there was none.
  std::optional<int16_t> answer_to(SimFrontend& frontend, const FrontRequest& request) {
    std::optional<int16_t> status;
    frontend.queue(0).send_raw(request,
                               [&](const GuestResponse& response) { status = response.status; });
    host_.run_until([&] { return status.has_value(); }, std::chrono::seconds(1));
    return status;
  }

  SimDomain& hostile_domain() { return *host_.machine().find(kHostile); }

  GrantRef granted_page(Access access = Access::read_write, DomainId to = 0) {
    SimDomain& domain = hostile_domain();
    return domain.grant(to, domain.allocate(1), access);
  }

  std::string bytes_of_hostile_image() const {
    std::ifstream file(hostile_line_.params, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  Host host_{GetParam()};
  LogLines log_;
  Misbehaviour misbehaviour_{host_};
  DiskLine hostile_line_{.name = {.domain = kHostile},
                         .params = host_.make_image("hostile.img", kImageBytes)};
  DiskLine neighbour_line_{.name = {.domain = kNeighbour},
                           .params = host_.make_image("neighbour.img", kImageBytes)};
  SimFrontend* neighbour_ = nullptr;
};

}  // namespace tapring::sim
