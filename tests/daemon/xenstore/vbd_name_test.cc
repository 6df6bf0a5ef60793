// SPDX-License-Identifier: MIT
#include "daemon/xenstore/vbd_name.h"

#include <gtest/gtest.h>

namespace tapring {
namespace {

const VbdName kName{"vbd", 3, 51712};

TEST(VbdName, PathsAtAndBelowTheNodeNameIt) {
  EXPECT_EQ(parse_vbd_path("/local/domain/0/backend/vbd/3/51712", 0), kName);
  EXPECT_EQ(parse_vbd_path("/local/domain/0/backend/vbd/3/51712/state", 0), kName);
}

TEST(VbdName, PathsAboveTheNodeNameNone) {
  EXPECT_FALSE(parse_vbd_path("/local/domain/0/backend/vbd/3", 0));
  EXPECT_FALSE(parse_vbd_path("/local/domain/0/backend/vbd", 0));
  EXPECT_FALSE(parse_vbd_path("@releaseDomain", 0));
}

TEST(VbdName, OtherBackendDomainsNodesAreNotOurs) {
  EXPECT_FALSE(parse_vbd_path("/local/domain/7/backend/vbd/3/51712", 0));
  EXPECT_EQ(parse_vbd_path("/local/domain/7/backend/vbd/3/51712", 7), kName);
}

TEST(VbdName, NumbersThatDoNotFitNameNone) {
  EXPECT_FALSE(parse_vbd_path("/local/domain/0/backend/vbd/70000/51712", 0));
  EXPECT_FALSE(parse_vbd_path("/local/domain/0/backend/vbd/3/x", 0));
  EXPECT_FALSE(parse_vbd_path("/local/domain/0/backend/vbd/3/-1", 0));
  EXPECT_FALSE(parse_vbd_path("/local/domain/0/backend/vbd/3/99999999999", 0));
}

TEST(VbdName, IsSpelledAsXenstoreAndTheKernelSpellIt) {
  EXPECT_EQ(kName.backend_path(0), "/local/domain/0/backend/vbd/3/51712");
  EXPECT_EQ(kName.sysfs_name(), "vbd-3-51712");
  EXPECT_EQ(parse_sysfs_name("vbd-3-51712"), kName);
  EXPECT_FALSE(parse_sysfs_name("vbd-3-51712-1"));
  EXPECT_FALSE(parse_sysfs_name("vbd-3"));
  EXPECT_FALSE(parse_sysfs_name(""));
}

}  // namespace
}  // namespace tapring
