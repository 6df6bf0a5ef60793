// SPDX-License-Identifier: MIT
#include "tests/sim/toolstack.h"

#include <gtest/gtest.h>

#include <string>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""s;
using Progress = SimToolstack::Progress;

constexpr DiskName kDisk{.domain = 5, .device = 51712};

/// A toolstack, with the test as the backend.
class SimToolstackTest : public testing::Test {
 protected:
  SimToolstackTest() { line_.name = kDisk; }

  void backend_writes(const std::string& state) {
    store_.write({{backend_directory(line_) + "/state", state}});
  }

  bool reaches(Progress progress, Time limit) {
    return world_.run_until([&] { return toolstack_.progress(kDisk) == progress; }, limit);
  }

  std::string key(const std::string& name) {
    return store_.read(backend_directory(line_) + '/' + name).value_or("");
  }

  void attach() {
    toolstack_.attach(line_);
    backend_writes("2");
    EXPECT_TRUE(reaches(Progress::attached, 1s));
  }

  SimWorld world_{1};
  SimMachine machine_{world_};
  SimStore store_;
  SimToolstack toolstack_{world_, machine_, store_};
  DiskLine line_{.params = "/a.img"};
};

TEST_F(SimToolstackTest, WritesBothDirectories) {
  toolstack_.attach(line_);
  EXPECT_EQ(key("params"), "/a.img");
  EXPECT_EQ(key("frontend"), "/local/domain/5/device/vbd/51712");
  EXPECT_EQ(key("script"), "/etc/xen/scripts/block");
  EXPECT_EQ(store_.read("/local/domain/5/device/vbd/51712/backend"), backend_directory(line_));
}

TEST_F(SimToolstackTest, RunsTheScriptAfterState2) {
  toolstack_.attach(line_);
  world_.run_for(1s);
  EXPECT_EQ(key("hotplug-status"), "");
  backend_writes("2");
  EXPECT_TRUE(reaches(Progress::attached, 1s));
  EXPECT_EQ(key("hotplug-status"), "connected");
}

TEST_F(SimToolstackTest, GivesUpABackendThatDoesNotAnswer) {
  toolstack_.attach(line_);
  EXPECT_FALSE(reaches(Progress::failed, 9s));
  EXPECT_TRUE(reaches(Progress::failed, 2s));
}

TEST_F(SimToolstackTest, AQdiskIsAttachedWithoutWaiting) {
  line_.kind = "qdisk";
  line_.script = "";
  toolstack_.attach(line_);
  EXPECT_EQ(toolstack_.progress(kDisk), Progress::attached);
}

TEST_F(SimToolstackTest, DetachWaitsForState6) {
  attach();
  toolstack_.detach(kDisk);
  EXPECT_EQ(key("state"), "5");
  EXPECT_EQ(key("online"), "0");
  backend_writes("6");
  EXPECT_TRUE(reaches(Progress::gone, 1s));
  EXPECT_FALSE(store_.exists(backend_directory(line_)));
}

TEST_F(SimToolstackTest, ARefusedDetachLeavesEverything) {
  attach();
  toolstack_.detach(kDisk);
  EXPECT_TRUE(reaches(Progress::detach_refused, 11s));
  EXPECT_TRUE(store_.exists(frontend_directory(kDisk)));
}

TEST_F(SimToolstackTest, AnotherDetachHasPatienceOfItsOwn) {
  attach();
  toolstack_.detach(kDisk);
  world_.run_for(5s);
  toolstack_.detach(kDisk);
  world_.run_for(8s);
  EXPECT_EQ(toolstack_.progress(kDisk), Progress::detaching);
  EXPECT_TRUE(reaches(Progress::detach_refused, 3s));
}

TEST_F(SimToolstackTest, ForcedDetachTakesTheFrontendFirst) {
  attach();
  toolstack_.force_detach(kDisk);
  EXPECT_FALSE(store_.exists(frontend_directory(kDisk)));
  EXPECT_TRUE(store_.exists(backend_directory(line_)));
  EXPECT_TRUE(reaches(Progress::gone, 11s));
  EXPECT_FALSE(store_.exists(backend_directory(line_)));
}

}  // namespace
}  // namespace tapring::sim
