// SPDX-License-Identifier: MIT
// What a worker process gets of xenstore, whatever it asks for.
#include "daemon/xenstore/store_view.h"

#include <gtest/gtest.h>

#include <string>
#include <system_error>
#include <vector>

#include "daemon/xenstore/store_commit.h"
#include "tests/sim/executor.h"
#include "tests/sim/machine.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstore.h"

namespace tapring {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kOwn = "/local/domain/0/backend/vbd/3/51712";
constexpr const char* kOthers = "/local/domain/0/backend/vbd/4/51712";

/// The worker of guest 3, beside guest 4.
class StoreViewTest : public testing::Test {
 protected:
  StoreViewTest() {
    machine_.create_domain(3);
    store_.write({{std::string(kOwn) + "/state", "1"},
                  {std::string(kOwn) + "/params", "aio:/own.img"},
                  {std::string(kOthers) + "/state", "1"},
                  {"/local/domain/0/backend/vbd/33/51712/state", "1"},
                  {"/local/domain/0/domid", "0"},
                  {"/local/domain/3/device/vbd/51712/state", "3"},
                  {"/local/domain/3/vm", "/vm/uuid-3"},
                  {"/local/domain/3/console/vnc-pass", "secret"},
                  {"/local/domain/4/device/vbd/51712/state", "3"},
                  {"/local/domain/4/vm", "/vm/uuid-4"}});
  }

  Words ask(Verb verb, Words words) {
    return view_.answer({Message::Kind::call, verb, 1, std::move(words)}, 0);
  }
  Words read(const std::string& path) { return ask(Verb::store_read, {path}); }

  bool is_refused(Verb verb, Words words) {
    try {
      ask(verb, std::move(words));
      return false;
    } catch (const std::system_error&) {
      return true;
    }
  }
  bool may_write(const std::string& path) {
    return !is_refused(Verb::store_commit, StoreCommit{{}, {{path, "x"}}}.to_words());
  }

  sim::SimWorld world_{1};
  sim::SimMachine machine_{world_};
  sim::SimStore store_;
  sim::SimExecutor thread_{world_};
  sim::SimXenstore xenstore_{world_, machine_, store_, thread_, 0};
  std::vector<Words> told_;
  StoreView view_{xenstore_,
                  {"guest-3", [](const VbdName& name) { return name.domain == 3; },
                   [](DomainId domain) { return domain == 3; }},
                  [this](const Message& message) { told_.push_back(message.words); }};
};

TEST_F(StoreViewTest, ShowsTheNodesOfItsGuestsAndTheirFrontends) {
  EXPECT_EQ(read(std::string(kOwn) + "/params"), Words{"aio:/own.img"});
  EXPECT_EQ(read("/local/domain/3/device/vbd/51712/state"), Words{"3"});
  EXPECT_EQ(read("/local/domain/3/vm"), Words{"/vm/uuid-3"});
  EXPECT_EQ(read("domid"), Words{"0"});
  EXPECT_EQ(read(std::string(kOwn) + "/nothing"), Words{});
}

TEST_F(StoreViewTest, ShowsNothingOfOthers) {
  EXPECT_EQ(read(std::string(kOthers) + "/state"), Words{});
  EXPECT_EQ(read("/local/domain/4/vm"), Words{});
  EXPECT_EQ(read("/local/domain/4/device/vbd/51712/state"), Words{});
  EXPECT_EQ(read("/local/domain/3/console/vnc-pass"), Words{});
  EXPECT_EQ(read("/local/domain/0/backend/vbd/33/51712/state"), Words{});
}

TEST_F(StoreViewTest, ListsItsOwnOnly) {
  EXPECT_EQ(ask(Verb::store_list, {"/local/domain/0/backend/vbd"}), Words{"3"});
  EXPECT_EQ(ask(Verb::store_list, {"/local/domain/0/backend/vbd/3"}), Words{"51712"});
  EXPECT_EQ(ask(Verb::store_list, {"/local/domain/0/backend/vbd/4"}), Words{});
  EXPECT_EQ(ask(Verb::store_list, {kOwn}), (Words{"params", "state"}));
  EXPECT_EQ(ask(Verb::store_list, {kOthers}), Words{});
  EXPECT_EQ(ask(Verb::store_list, {"/local/domain"}), Words{});
  EXPECT_EQ(ask(Verb::store_list, {"/"}), Words{});
}

TEST_F(StoreViewTest, LetsItWriteWhatABackendWritesOfItsNodes) {
  for (const char* key : {"state", "sectors", "feature-barrier", "tapring-status", "info"}) {
    EXPECT_TRUE(may_write(std::string(kOwn) + '/' + key)) << key;
  }
  EXPECT_EQ(store_.read(std::string(kOwn) + "/state"), "x");
  EXPECT_TRUE(may_write("/local/domain/0/data/tapringd-guest-3"));
}

TEST_F(StoreViewTest, LetsItWriteNothingElse) {
  const std::string before = store_.read(std::string(kOthers) + "/state").value_or("");
  for (const std::string& path : Words{
       std::string(kOthers) + "/state", std::string(kOwn) + "/params",
        std::string(kOwn) + "/frontend", std::string(kOwn) + "/frontend-id",
        std::string(kOwn) + "/script", std::string(kOwn) + "/mode", std::string(kOwn),
        std::string(kOwn) + "/state/below",
        std::string("/local/domain/0/backend/vbd/03/51712/state"),
        std::string("/local/domain/3/device/vbd/51712/state"),
        std::string("/local/domain/0/data/tapringd-guest-4"),
        std::string("/local/domain/0/data/tapringd"), std::string("state"), std::string()}) {
    EXPECT_FALSE(may_write(path)) << path;
  }
  EXPECT_EQ(store_.read(std::string(kOthers) + "/state"), before);
}

TEST_F(StoreViewTest, WritesNothingOfACommitThatIsRefused) {
  const StoreCommit commit{
      {}, {{std::string(kOwn) + "/state", "4"}, {std::string(kOthers) + "/state", "4"}}};
  EXPECT_TRUE(is_refused(Verb::store_commit, commit.to_words()));
  EXPECT_EQ(store_.read(std::string(kOwn) + "/state"), "1");
}

TEST_F(StoreViewTest, WritesNothingWhereSomethingElseStandsThanWasRead) {
  const std::string state = std::string(kOwn) + "/state";
  EXPECT_EQ(ask(Verb::store_commit, StoreCommit{{{state, "2"}}, {{state, "4"}}}.to_words()),
            Words{"0"});
  EXPECT_EQ(store_.read(state), "1");
  Words done;
  // xenstored may say that others came between.
  while (done != Words{"1"}) {
    done = ask(Verb::store_commit, StoreCommit{{{state, "1"}}, {{state, "4"}}}.to_words());
  }
  EXPECT_EQ(store_.read(state), "4");
}

TEST_F(StoreViewTest, WatchesNothingOfOthers) {
  EXPECT_FALSE(is_refused(Verb::store_watch, {"/local/domain/3/device/vbd/51712/state", "t"}));
  EXPECT_TRUE(is_refused(Verb::store_watch, {"/local/domain/4/device/vbd/51712/state", "t"}));
  EXPECT_TRUE(is_refused(Verb::store_watch, {"/", "t"}));
  EXPECT_TRUE(is_refused(Verb::store_watch, {"@introduceDomain", "t"}));
}

TEST_F(StoreViewTest, TellsOfAKindWhatItIsHanded) {
  ask(Verb::store_watch, {"/local/domain/0/backend/vbd", "vbd"});
  view_.deliver_shared(std::string(kOwn) + "/state", "/local/domain/0/backend/vbd");
  view_.deliver_shared("/local/domain/0/backend/vbd3/3", "/local/domain/0/backend/vbd3");
  EXPECT_EQ(told_, (std::vector<Words>{{"/local/domain/0/backend/vbd", "vbd"},
                                       {std::string(kOwn) + "/state", "vbd"}}));
}

TEST_F(StoreViewTest, RefusesWhatIsNoCall) {
  EXPECT_TRUE(is_refused(Verb::store_read, {}));
  EXPECT_TRUE(is_refused(Verb::store_read, {kOwn, kOwn}));
  EXPECT_TRUE(is_refused(Verb::store_commit, {"write", kOwn}));
  EXPECT_TRUE(is_refused(Verb::store_commit, {"erase", kOwn, ""}));
  EXPECT_TRUE(is_refused(Verb::store_alive, {"-1"}));
  EXPECT_TRUE(is_refused(Verb::request, {}));
}

}  // namespace
}  // namespace tapring
