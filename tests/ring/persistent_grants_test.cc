// SPDX-License-Identifier: MIT
#include "ring/persistent_grants.h"

#include <gtest/gtest.h>

#include "tests/sim/grants.h"
#include "tests/sim/machine.h"
#include "tests/sim/world.h"

namespace tapring {
namespace {

constexpr DomainId kBackend = 0;
constexpr DomainId kGuest = 1;

class PersistentGrantsTest : public testing::Test {
 protected:
  GrantRef page() { return guest_.grant(kBackend, guest_.allocate(1), sim::Access::read_write); }

  sim::SimWorld world_{1};
  sim::SimMachine machine_{world_};
  sim::SimGrants grants_{machine_, kBackend};
  sim::SimDomain& guest_ = machine_.create_domain(kGuest);
};

TEST_F(PersistentGrantsTest, KeepsAPageThatIsUsedAgain) {
  MappingBudget budget(10);
  PersistentGrants pages(grants_, budget, kGuest, 10);
  const GrantRef ref = page();
  EXPECT_NE(pages.page(ref), nullptr);
  EXPECT_EQ(pages.page(ref), pages.page(ref));
  EXPECT_EQ(machine_.mappings(), 1U);
  EXPECT_EQ(budget.left(), 9U);
}

TEST_F(PersistentGrantsTest, AllRingsTogetherKeepNoMoreThanTheirBudget) {
  MappingBudget budget(3);
  PersistentGrants first(grants_, budget, kGuest, 10);
  const GrantRef kept = page();
  {
    PersistentGrants second(grants_, budget, kGuest, 2);
    EXPECT_NE(second.page(page()), nullptr);
    EXPECT_NE(second.page(page()), nullptr);
    EXPECT_EQ(second.page(page()), nullptr);
    EXPECT_NE(first.page(kept), nullptr);
    EXPECT_EQ(first.page(page()), nullptr);
    EXPECT_NE(first.page(kept), nullptr);
    EXPECT_EQ(machine_.mappings(), 3U);
  }
  EXPECT_NE(first.page(page()), nullptr);
  EXPECT_EQ(budget.left(), 1U);
  first.clear();
  EXPECT_EQ(budget.left(), 3U);
  EXPECT_EQ(machine_.mappings(), 0U);
}

TEST_F(PersistentGrantsTest, WhatCannotBeMappedTakesNothing) {
  MappingBudget budget(3);
  PersistentGrants pages(grants_, budget, kGuest, 10);
  EXPECT_EQ(pages.page(99'999), nullptr);
  EXPECT_EQ(budget.left(), 3U);
}

}  // namespace
}  // namespace tapring
