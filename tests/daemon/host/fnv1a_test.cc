// SPDX-License-Identifier: MIT
#include "daemon/host/fnv1a.h"

#include <gtest/gtest.h>

namespace tapring {
namespace {

// The vectors that its authors publish (draft-eastlake-fnv).
TEST(Fnv1a, HasThePublishedValues) {
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325U);
  EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8cU);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8U);
}

TEST(Fnv1a, TakesBytesAsUnsigned) {
  EXPECT_EQ(fnv1a("\xff"), 0xaf64724c8602eb6eU);
}

}  // namespace
}  // namespace tapring
