// SPDX-License-Identifier: MIT
#include "daemon/xenstore_update.h"

#include <gtest/gtest.h>

#include "tests/sim/xenstore.h"

namespace tapring {
namespace {

class XenstoreUpdate : public testing::Test {
 protected:
  sim::SimWorld world_{1};
  sim::SimMachine machine_{world_};
  sim::SimStore store_;
  sim::SimExecutor thread_{world_};
  sim::SimXenstore xenstore_{world_, machine_, store_, thread_, 0};
};

TEST_F(XenstoreUpdate, NeedsTheKeyOfItsGuard) {
  EXPECT_FALSE(update(xenstore_, "/a", {.key = "state"}, {{"x", "1"}}));
  EXPECT_FALSE(store_.exists("/a"));
}

TEST_F(XenstoreUpdate, NeedsTheValueOfItsGuard) {
  store_.write({{"/a/state", "1"}});
  EXPECT_FALSE(update(xenstore_, "/a", {.key = "state", .value = "2"}, {{"x", "1"}}));
  EXPECT_FALSE(store_.exists("/a/x"));
  EXPECT_TRUE(update(xenstore_, "/a", {.key = "state", .value = "1"}, {{"x", "1"}}));
  EXPECT_EQ(store_.read("/a/x"), "1");
}

TEST_F(XenstoreUpdate, MayWriteTheKeyOfItsGuard) {
  store_.write({{"/a/state", "1"}});
  EXPECT_TRUE(update(xenstore_, "/a", {"state", "1"}, {{"state", "2"}, {"x", "1"}}));
  EXPECT_EQ(store_.read("/a/state"), "2");
}

}  // namespace
}  // namespace tapring
