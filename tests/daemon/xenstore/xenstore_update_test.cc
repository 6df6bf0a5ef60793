// SPDX-License-Identifier: MIT
#include "daemon/xenstore/xenstore_update.h"

#include <gtest/gtest.h>

#include <system_error>

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

TEST_F(XenstoreUpdate, EndsThoughOthersComeBetweenManyTimes) {
  store_.write({{"/a/state", "1"}});
  int times = 200;
  store_.interrupt([&](const sim::StoreKeys&) {
    if (times == 0) return;
    store_.write({{"/a/state", "1"}});
    --times;
  });
  EXPECT_TRUE(update(xenstore_, "/a", {"state", "1"}, {{"state", "2"}}));
  EXPECT_EQ(times, 0);
  EXPECT_EQ(store_.read("/a/state"), "2");
}

TEST_F(XenstoreUpdate, GivesUpWhenOthersComeBetweenForEver) {
  store_.write({{"/a/state", "1"}});
  store_.interrupt([&](const sim::StoreKeys&) { store_.write({{"/a/state", "1"}}); });
  try {
    update(xenstore_, "/a", {"state", "1"}, {{"state", "2"}});
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::resource_unavailable_try_again);
  }
  EXPECT_EQ(store_.read("/a/state"), "1");
}

TEST_F(XenstoreUpdate, LooksAtItsGuardAgainWhenOthersCameBetween) {
  store_.write({{"/a/state", "1"}});
  store_.interrupt([&](const sim::StoreKeys&) { store_.write({{"/a/state", "5"}}); });
  EXPECT_FALSE(update(xenstore_, "/a", {"state", "1"}, {{"state", "2"}}));
  EXPECT_EQ(store_.read("/a/state"), "5");
}

TEST_F(XenstoreUpdate, BringsNoRemovedDirectoryBack) {
  store_.write({{"/a/state", "1"}});
  store_.interrupt([&](const sim::StoreKeys&) { store_.remove("/a"); });
  EXPECT_FALSE(update(xenstore_, "/a", {"state"}, {{"x", "1"}}));
  EXPECT_FALSE(store_.exists("/a"));
}

}  // namespace
}  // namespace tapring
