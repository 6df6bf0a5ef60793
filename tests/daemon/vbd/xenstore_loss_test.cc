// SPDX-License-Identifier: MIT
// The connection to xenstore is lost, at any moment, and comes back; or xenstored comes back with
// nothing in it.
#include <algorithm>
#include <filesystem>
#include <string>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

class XenstoreLoss : public HostTest {
 protected:
  bool is_back() {
    return host_.run_until([this] { return host_.problems().empty(); });
  }

  void write_policy(const DiskLine& disk, const std::string& word) {
    host_.store().write({{sim::backend_directory(disk) + "/tapring-on-no-space", word}});
  }

  bool comes_to_policy(const DiskLine& disk, const std::string& word) {
    return host_.run_until([&] { return host_.report(disk.name).on_no_space == word; },
                           kToolstackPatience);
  }

  /// As a C xenstored that died: nothing of what the toolstack wrote is there, only the domain's
  /// own number, by what starts it.
  void lose_everything() {
    forget_everything();
    host_.toolstack().introduce(0);
  }

  /// Guests have nobody to ask from then on.
  void forget_everything() {
    host_.world().run_for(50ms);  // what they have been told of is looked at before
    host_.xenstored().go_away(100ms);
    host_.store().forget_everything();
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, XenstoreLoss, testing::ValuesIn(sim::seeds(3)));

TEST_P(XenstoreLoss, DisksInServiceGoOn) {
  SimFrontend& frontend = attach_and_connect(line(1, "a.img"));
  host_.xenstored().go_away(1h);
  host_.world().run_for(100ms);
  ASSERT_EQ(host_.problems().size(), 1U);
  EXPECT_THAT(host_.problems().front(), testing::HasSubstr("xenstore is away"));
  expect_served(frontend);
  EXPECT_EQ(host_.report({.domain = 1}).state, "connected");
}

TEST_P(XenstoreLoss, WhatCameMeanwhileIsSeenAfterwards) {
  const DiskLine held = line(1, "a.img");
  const DiskLine leaving = line(2, "b.img");
  const DiskLine dying = line(3, "c.img");
  SimFrontend& frontend = attach_and_connect(held);
  attach_and_connect(leaving);
  SimFrontend& dead = attach_and_connect(dying);
  host_.xenstored().go_away(2s);
  host_.world().run_for(10ms);
  const DiskLine coming = line(4, "d.img");
  SimFrontend& late = attach(coming);
  host_.toolstack().detach(leaving.name);
  dead.die();
  host_.toolstack().destroy(3);
  host_.world().run_for(1s);
  EXPECT_FALSE(late.connected());
  ASSERT_TRUE(is_back());
  EXPECT_TRUE(host_.run_until([&] { return late.connected(); }, kToolstackPatience));
  expect_served(late);
  expect_served(frontend);
  EXPECT_TRUE(reaches(leaving, Progress::gone));
  expect_detached(held);
  expect_detached(coming);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(XenstoreLoss, APolicyThatWasWrittenMeanwhileIsSeenAfterwards) {
  const DiskLine disk = line(1, "a.img");
  attach_and_connect(disk);
  host_.xenstored().go_away(1s);
  host_.world().run_for(10ms);
  write_policy(disk, "report");
  ASSERT_TRUE(is_back());
  EXPECT_TRUE(comes_to_policy(disk, "report"));
}

TEST_P(XenstoreLoss, InTheReadingOfAPolicyOnlyDelays) {
  const DiskLine disk = line(1, "a.img");
  attach_and_connect(disk);
  for (uint64_t call = 1; call < 10; ++call) {
    SCOPED_TRACE(call);
    const std::string word = call % 2 == 0 ? "pause" : "report";
    host_.xenstored().go_away_at(call, 1ms);
    write_policy(disk, word);
    EXPECT_TRUE(comes_to_policy(disk, word));
    host_.world().run_for(1s);
  }
}

TEST_P(XenstoreLoss, OfAllThatWasInItLeavesDisksTheirPolicy) {
  const DiskLine disk = line(1, "a.img");
  attach_and_connect(disk);
  write_policy(disk, "report");
  ASSERT_TRUE(comes_to_policy(disk, "report"));
  lose_everything();
  ASSERT_TRUE(is_back());
  host_.world().run_for(5s);
  EXPECT_EQ(host_.report(disk.name).on_no_space, "report");
}

TEST_P(XenstoreLoss, ANodeThatWasRemovedMeanwhileEndsItsDisk) {
  const DiskLine removed = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(removed);
  host_.xenstored().go_away(500ms);
  host_.world().run_for(10ms);
  frontend.die();
  host_.store().remove(sim::frontend_directory(removed.name));
  host_.store().remove(sim::backend_directory(removed));
  ASSERT_TRUE(is_back());
  EXPECT_TRUE(host_.run_until([&] { return host_.report(removed.name).state.empty(); }));
  EXPECT_EQ(host_.held(), "");
}

/// At each call that an attach and a detach make.
TEST_P(XenstoreLoss, AnywhereOnlyDelays) {
  const DiskLine disk = line(1, "a.img");
  for (uint64_t call = 1; call < 60; ++call) {
    SCOPED_TRACE(call);
    host_.xenstored().go_away_at(call, 1ms);
    SimFrontend& frontend = attach_and_connect(disk);
    expect_served(frontend, {.requests = 5});
    host_.xenstored().go_away_at(call, 1ms);
    expect_detached(disk);
    ASSERT_EQ(host_.held(), "");
  }
}

// What changed while no daemon was there is told by the next, whatever comes between.
TEST_P(XenstoreLoss, WhileADiskIsTakenUpOnlyDelays) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  uint64_t bytes = kImageBytes;
  for (uint64_t call = 1; call < 40; ++call) {
    SCOPED_TRACE(call);
    host_.kill();
    bytes += 4096;
    std::filesystem::resize_file(disk.params, bytes);
    host_.start();
    host_.xenstored().go_away_at(call, 1ms);
    ASSERT_TRUE(host_.run_until([&] { return frontend.sectors() == bytes / 512; }));
    expect_served(frontend, {.requests = 5});
    ASSERT_TRUE(is_back());
  }
  expect_detached(disk);
}

TEST_P(XenstoreLoss, OfTheAnswerToACommitOnlyDelays) {
  const DiskLine disk = line(1, "a.img");
  for (int commits = 0; commits < 8; ++commits) {
    SCOPED_TRACE(commits);
    host_.store().interrupt([this, left = commits](const sim::StoreKeys&) mutable {
      if (left-- == 0) host_.xenstored().go_away(1ms);
    });
    SimFrontend& frontend = attach_and_connect(disk);
    expect_served(frontend, {.requests = 5});
    expect_detached(disk);
    host_.store().interrupt({});
    ASSERT_EQ(host_.held(), "");
  }
}

TEST_P(XenstoreLoss, WithTheScriptOfOursOnlyDelays) {
  DiskLine disk = line(1, "a.img");
  disk.script = "/etc/xen/scripts/block-tapring";
  for (uint64_t call = 1; call < 40; ++call) {
    SCOPED_TRACE(call);
    std::string verdict;
    host_.store().observe([&](const std::string& path, const auto&, const auto& after) {
      if (path.ends_with("/tapring-status") && after) verdict = *after;
    });
    host_.xenstored().go_away_at(call, 1ms);
    attach_and_connect(disk);
    EXPECT_EQ(verdict, "ready");
    host_.store().observe({});
    expect_detached(disk);
  }
}

TEST_P(XenstoreLoss, ARefusalIsToldAfterwards) {
  for (uint64_t call = 1; call < 40; ++call) {
    SCOPED_TRACE(call);
    DiskLine disk = line(1, "a.img");
    disk.script = "/etc/xen/scripts/block-tapring";
    disk.params = "nonsense:/a.img";
    std::string verdict;
    host_.store().observe([&](const std::string& path, const auto&, const auto& after) {
      if (path.ends_with("/tapring-status") && after) verdict = *after;
    });
    host_.xenstored().go_away_at(call, 1ms);
    attach(disk);
    EXPECT_TRUE(host_.run_until([&] { return verdict.starts_with("refused: "); }));
    host_.store().observe({});
    host_.toolstack().force_detach(disk.name);
    EXPECT_TRUE(reaches(disk, Progress::gone));
    EXPECT_EQ(host_.held(), "");
  }
}

TEST_P(XenstoreLoss, OfAllThatWasInItLeavesConnectedDisksInService) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  lose_everything();
  ASSERT_TRUE(is_back());
  host_.world().run_for(5s);
  EXPECT_EQ(host_.report(disk.name).state, "connected");
  EXPECT_THAT(host_.report(disk.name).reason, testing::HasSubstr("xenstore has lost"));
  expect_served(frontend);
  const DiskLine other = line(3, "c.img");
  expect_served(attach_and_connect(other));
  expect_detached(other);
  // Once more, with nothing but a lost connection.
  host_.xenstored().go_away(100ms);
  host_.world().run_for(5s);
  expect_served(frontend);
}

TEST_P(XenstoreLoss, OfAllThatWasInItEndsWhatWasNotConnected) {
  const DiskLine disk = line(1, "a.img");
  hang_at_open(disk);
  lose_everything();
  ASSERT_TRUE(is_back());
  host_.background().release();
  EXPECT_TRUE(host_.run_until([&] { return host_.report(disk.name).state.empty(); }));
  EXPECT_EQ(host_.held(), "");
}

TEST_P(XenstoreLoss, ADiskWhoseNodeIsMadeAnewLeavesItsOldLife) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  lose_everything();
  ASSERT_TRUE(is_back());
  host_.world().run_for(1s);
  frontend.die();
  host_.toolstack().attach(disk);
  EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(disk) == 2; }));
  EXPECT_TRUE(host_.run_until([&] {
    return host_.report(disk.name).reason.empty() ||
           !host_.report(disk.name).reason.contains("lost");
  }));
}

TEST_P(XenstoreLoss, AtTheStartIsWaitedOut) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  host_.xenstored().go_away(7s);
  host_.kill();
  host_.start();
  host_.world().run_for(1s);
  EXPECT_EQ(host_.problems().size(), 1U);
  EXPECT_EQ(host_.report(disk.name).state, "");
  ASSERT_TRUE(is_back());
  EXPECT_TRUE(host_.run_until([&] { return host_.report(disk.name).state == "connected"; }));
  expect_served(frontend);
}

TEST_P(XenstoreLoss, AKeyDomidThatIsMissingIsWaitedFor) {
  SimFrontend& frontend = attach_and_connect(line(1, "a.img"));
  forget_everything();
  host_.world().run_for(10s);
  ASSERT_EQ(host_.problems().size(), 1U);
  EXPECT_THAT(host_.problems().front(), testing::HasSubstr("domid"));
  expect_served(frontend);
  host_.toolstack().introduce(0);
  ASSERT_TRUE(is_back());
  expect_served(frontend);
  expect_served(attach_and_connect(line(2, "b.img")));
}

}  // namespace
}  // namespace tapring
