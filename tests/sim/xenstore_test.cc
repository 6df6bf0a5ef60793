// SPDX-License-Identifier: MIT
#include "tests/sim/xenstore.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <system_error>

namespace tapring::sim {
namespace {

/// Two clients of one store: the one under test, and whoever changes things.
class SimXenstoreTest : public testing::Test {
 protected:
  SimXenstoreTest() {
    client_.deliver_to([this](const WatchEvent& event) { ++seen_[event.path]; });
  }

  /// How often the watch fired for `path` until nothing more comes.
  int seen(const std::string& path) {
    world_.run_until_idle();
    return std::exchange(seen_[path], 0);
  }

  SimWorld world_{1};
  SimMachine machine_{world_};
  SimStore store_;
  SimExecutor thread_{world_};
  SimXenstore client_{world_, machine_, store_, thread_, 0};
  std::map<std::string, int> seen_;
};

TEST_F(SimXenstoreTest, ListsChildrenOnly) {
  store_.write({{"/a/b/c", "1"}, {"/a/d", "2"}, {"/ab", "3"}});
  EXPECT_EQ(client_.list("/a"), (std::vector<std::string>{"b", "d"}));
  EXPECT_EQ(client_.read("/a/d"), "2");
  EXPECT_EQ(client_.read("/a/x"), std::nullopt);
}

TEST_F(SimXenstoreTest, RelativePathsAreBelowOurOwnDirectory) {
  store_.write({{"/local/domain/0/backend/vbd/1", "x"}});
  EXPECT_EQ(client_.list("backend"), (std::vector<std::string>{"vbd"}));
  client_.watch("backend/vbd", "t");
  EXPECT_EQ(seen("backend/vbd"), 1);
  store_.write({{"/local/domain/0/backend/vbd/1", "y"}});
  EXPECT_EQ(seen("backend/vbd/1"), 1);
}

TEST_F(SimXenstoreTest, AWatchFiresAtOnceEvenForWhatIsNotThere) {
  client_.watch("/nothing", "t");
  EXPECT_EQ(seen("/nothing"), 1);
}

TEST_F(SimXenstoreTest, AWatchSeesWhatIsBelowAndNothingBeside) {
  client_.watch("/a", "t");
  EXPECT_EQ(seen("/a"), 1);
  store_.write({{"/a/b", "1"}, {"/ab", "2"}});
  EXPECT_EQ(seen("/a/b"), 1);
  EXPECT_EQ(seen("/ab"), 0);
}

TEST_F(SimXenstoreTest, AWatchSeesTheRemovalOfWhatItIsIn) {
  store_.write({{"/a/b/c", "1"}});
  client_.watch("/a/b/c", "t");
  EXPECT_EQ(seen("/a/b/c"), 1);
  store_.remove("/a");
  EXPECT_EQ(seen("/a/b/c"), 1);
  EXPECT_FALSE(store_.exists("/a/b"));
}

TEST_F(SimXenstoreTest, ManyChangesMayComeAsFewButNeverAsNone) {
  client_.watch("/a", "t");
  seen("/a");
  for (int i = 0; i < 100; ++i) store_.write({{"/a", std::to_string(i)}});
  const int events = seen("/a");
  EXPECT_GT(events, 0);
  EXPECT_LT(events, 100);
}

TEST_F(SimXenstoreTest, AWatchOfTheSameTokenIsRefused) {
  client_.watch("/a", "t");
  EXPECT_THROW(client_.watch("/a", "t"), std::system_error);
  EXPECT_NO_THROW(client_.watch("/a", "other"));
}

TEST_F(SimXenstoreTest, ADomainWithoutPrivilegesHasSoManyWatches) {
  SimXenstore guest(world_, machine_, store_, thread_, 5);
  for (std::size_t i = 0; i < StoreQuota::kWatches; ++i) guest.watch("/a", std::to_string(i));
  EXPECT_THROW(guest.watch("/a", "one more"), std::system_error);
  guest.unwatch("/a", "0");
  EXPECT_NO_THROW(guest.watch("/a", "one more"));
}

TEST_F(SimXenstoreTest, ReleaseDomainIsAnnounced) {
  client_.watch("@releaseDomain", "t");
  seen("@releaseDomain");
  machine_.create_domain(5);
  machine_.destroy_domain(5);
  store_.announce("@releaseDomain");
  EXPECT_EQ(seen("@releaseDomain"), 1);
  EXPECT_FALSE(client_.domain_alive(5));
}

TEST_F(SimXenstoreTest, ADomainWithoutPrivilegesIsNotToldOfReleaseDomain) {
  SimXenstore guest(world_, machine_, store_, thread_, 5);
  int told = 0;
  guest.deliver_to([&](const WatchEvent& /*event*/) { ++told; });
  guest.watch("@releaseDomain", "t");
  store_.announce("@releaseDomain");
  world_.run_until_idle();
  EXPECT_EQ(told, 1) << "that the watch has begun";
}

}  // namespace
}  // namespace tapring::sim
