// SPDX-License-Identifier: MIT
#include "tests/sim/grants.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

namespace tapring::sim {
namespace {

constexpr DomainId kUs = 0;
constexpr DomainId kGranter = 5;
constexpr DomainId kOther = 6;

class SimGrantsTest : public testing::Test {
 protected:
  GrantRef grant_to(DomainId domain, Access access = Access::read_write) {
    frame_ = guest_.allocate(1);
    return guest_.grant(domain, frame_, access);
  }

  /// The status of one copy of a whole page.
  bool copies(GrantRef ref, bool to_guest, DomainId domain = kGranter) {
    std::array<GrantCopy, 1> copy{{{.local = local_.data(),
                                    .ref = ref,
                                    .domain = domain,
                                    .offset = 0,
                                    .length = kPageBytes,
                                    .to_guest = to_guest}}};
    EXPECT_FALSE(grants_.copy(copy));
    return !copy[0].failed;
  }

  bool maps(DomainId domain, std::vector<GrantRef> refs) {
    const auto pages = grants_.map(domain, refs);
    if (pages) grants_.unmap(*pages);
    return pages.has_value();
  }

  SimWorld world_{1};
  SimMachine machine_{world_};
  SimDomain& guest_ = machine_.create_domain(kGranter);
  SimGrants grants_{machine_, kUs};
  Frame frame_ = 0;
  std::array<std::byte, kPageBytes> local_{};
};

TEST_F(SimGrantsTest, PagesAreMappedSideBySide) {
  const std::vector<GrantRef> refs{grant_to(kUs), grant_to(kUs)};
  guest_.memory(frame_, 1)[5] = std::byte{42};
  const auto pages = grants_.map(kGranter, refs);
  ASSERT_TRUE(pages);
  EXPECT_EQ((*pages)[kPageBytes + 5], std::byte{42});
  (*pages)[kPageBytes + 6] = std::byte{43};
  EXPECT_EQ(guest_.memory(frame_, 1)[6], std::byte{43});
  EXPECT_EQ(machine_.mappings_of(kGranter), 2U);
  grants_.unmap(*pages);
  EXPECT_EQ(machine_.mappings(), 0U);
}

TEST_F(SimGrantsTest, WhatWasNotGrantedToUsIsNotMapped) {
  EXPECT_FALSE(maps(kGranter, {12345}));
  EXPECT_FALSE(maps(kGranter, {grant_to(kOther)}));
  EXPECT_FALSE(maps(kOther, {grant_to(kUs)}));
  EXPECT_FALSE(maps(kGranter, {grant_to(kUs, Access::read_only)}));
}

TEST_F(SimGrantsTest, OneBadReferenceMapsNothing) {
  EXPECT_FALSE(maps(kGranter, {grant_to(kUs), 12345}));
  EXPECT_EQ(machine_.mappings(), 0U);
}

TEST_F(SimGrantsTest, AMappedPageCannotBeTakenBack) {
  const std::vector<GrantRef> refs{grant_to(kUs)};
  const auto pages = grants_.map(kGranter, refs);
  ASSERT_TRUE(pages);
  EXPECT_FALSE(guest_.end_access(refs[0]));
  grants_.unmap(*pages);
  EXPECT_TRUE(guest_.end_access(refs[0]));
}

TEST_F(SimGrantsTest, ARevokedGrantIsOfNoUse) {
  const GrantRef ref = grant_to(kUs);
  guest_.revoke(ref);
  EXPECT_FALSE(maps(kGranter, {ref}));
  EXPECT_FALSE(copies(ref, false));
}

TEST_F(SimGrantsTest, CopiesGoBothWays) {
  const GrantRef ref = grant_to(kUs);
  guest_.memory(frame_, 1)[9] = std::byte{42};
  EXPECT_TRUE(copies(ref, false));
  EXPECT_EQ(local_[9], std::byte{42});
  local_[9] = std::byte{43};
  EXPECT_TRUE(copies(ref, true));
  EXPECT_EQ(guest_.memory(frame_, 1)[9], std::byte{43});
}

TEST_F(SimGrantsTest, AReadOnlyPageIsNotCopiedTo) {
  const GrantRef ref = grant_to(kUs, Access::read_only);
  EXPECT_TRUE(copies(ref, false));
  EXPECT_FALSE(copies(ref, true));
}

TEST_F(SimGrantsTest, ACopyThatLeavesItsPageFailsTheCall) {
  std::array<GrantCopy, 1> copy{{{.local = local_.data(),
                                  .ref = grant_to(kUs),
                                  .domain = kGranter,
                                  .offset = 1,
                                  .length = kPageBytes}}};
  EXPECT_TRUE(grants_.copy(copy));
}

TEST_F(SimGrantsTest, ADeadDomainStaysAZombieWhileMapped) {
  const std::vector<GrantRef> refs{grant_to(kUs)};
  const auto pages = grants_.map(kGranter, refs);
  machine_.destroy_domain(kGranter);
  EXPECT_EQ(machine_.zombies(), 1U);
  (*pages)[0] = std::byte{1};
  grants_.unmap(*pages);
  EXPECT_EQ(machine_.zombies(), 0U);
  EXPECT_FALSE(maps(kGranter, refs));
}

}  // namespace
}  // namespace tapring::sim
