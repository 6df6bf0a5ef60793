// SPDX-License-Identifier: MIT
#include "daemon/vbd/node_claim.h"

#include <memory>
#include <optional>
#include <system_error>

#include "tests/daemon/vbd/device_parts.h"

namespace tapring {
namespace {

class NodeClaimTest : public DeviceParts {
 protected:
  NodeClaimTest() {
    context_.open_disk = [this](const OpenRequest&) -> std::unique_ptr<OpenImage> {
      if (denial_) throw std::system_error(*denial_, "a.img");
      return nullptr;
    };
  }

  NodeClaim::Decision decide(const VbdState& now) {
    auto decision = claim_.decide(now);
    if (decision) return *decision;
    EXPECT_TRUE(claim_.is_examining());
    EXPECT_TRUE(run_until([this] { return is_examined_; }));
    decision = claim_.decide(now);
    EXPECT_FALSE(claim_.is_under_way());
    return decision.value_or(NodeClaim::Decision{});
  }

  const VbdState new_{XenbusState::init_wait, XenbusState::initialising};
  const VbdState connected_{XenbusState::connected, XenbusState::connected};
  std::optional<std::error_code> denial_;
  bool is_examined_ = false;
  NodeClaim claim_{scope_, spec_, [this] { is_examined_ = true; }};
};

TEST_F(NodeClaimTest, AnImageThatWeMayOpenIsOurs) {
  EXPECT_EQ(decide(new_).owner, Owner::tapringd);
}

TEST_F(NodeClaimTest, AnImageThatWeMayNotOpenStaysWithTheKernel) {
  blkback_.load();
  blkback_.take(name_.sysfs_name());
  denial_ = std::make_error_code(std::errc::permission_denied);
  const auto decision = decide(new_);
  EXPECT_EQ(decision.owner, Owner::blkback);
  EXPECT_TRUE(decision.reason.starts_with("tapringd may not open it: a.img"));
  EXPECT_TRUE(blkback_.serves(name_.sysfs_name()));
}

TEST_F(NodeClaimTest, AnImageThatIsBrokenIsOursToRefuse) {
  blkback_.load();
  blkback_.take(name_.sysfs_name());
  denial_ = std::make_error_code(std::errc::io_error);
  EXPECT_EQ(decide(new_).owner, Owner::tapringd);
  EXPECT_FALSE(blkback_.serves(name_.sysfs_name()));
}

TEST_F(NodeClaimTest, WhatTheKernelHasConnectedStaysThere) {
  blkback_.load();
  blkback_.take(name_.sysfs_name());
  EXPECT_EQ(decide(connected_).owner, Owner::blkback);
}

TEST_F(NodeClaimTest, PlainLinesAreLeftAsConfigured) {
  context_.plain_lines = PlainLines::leave;
  EXPECT_EQ(decide(new_).owner, Owner::blkback);
  // Nobody but us has the rings of a disk that is in use.
  EXPECT_EQ(decide(connected_).owner, Owner::tapringd);
}

TEST_F(NodeClaimTest, TooManyDisksAreRefusedOrLeftToTheKernel) {
  has_room_ = false;
  EXPECT_EQ(decide(new_).owner, Owner::refused);
  blkback_.load();
  EXPECT_EQ(decide(new_).owner, Owner::blkback);
}

TEST_F(NodeClaimTest, ParamsOfAnotherScriptAreNotOurs) {
  spec_.params = "iqn.2001-05.com:disk";
  spec_.script = "/etc/xen/scripts/block-iscsi";
  EXPECT_EQ(decide(new_).owner, Owner::other);
}

TEST_F(NodeClaimTest, TooMuchInTheBackgroundIsARefusal) {
  background_.limit(0);
  EXPECT_EQ(decide(new_).owner, Owner::refused);
}

}  // namespace
}  // namespace tapring
