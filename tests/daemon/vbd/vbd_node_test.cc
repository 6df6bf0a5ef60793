// SPDX-License-Identifier: MIT
#include "daemon/vbd/vbd_node.h"

#include <gtest/gtest.h>

#include "tests/sim/executor.h"
#include "tests/sim/machine.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstore.h"

namespace tapring {
namespace {

class VbdNodeTest : public testing::Test {
 protected:
  VbdNodeTest() { store_.write({{node_.path() + "/state", "2"}}); }

  std::string key(const std::string& name) {
    return store_.read(node_.path() + '/' + name).value_or("none");
  }

  sim::SimWorld world_{1};
  sim::SimMachine machine_{world_};
  sim::SimStore store_;
  sim::SimExecutor thread_{world_};
  sim::SimXenstore xenstore_{world_, machine_, store_, thread_, 0};
  VbdNode node_{xenstore_, 0, VbdName{.kind = "vbd", .domain = 1, .device = 51712}};
};

TEST_F(VbdNodeTest, OffersSecureDiscardsWhereTheStorageErases) {
  Geometry geometry{.size_bytes = 1 << 20, .discard_granularity = 4096};
  EXPECT_TRUE(node_.connect(XenbusState::init_wait, {}, geometry, {}));
  EXPECT_EQ(key("feature-discard"), "1");
  EXPECT_EQ(key("discard-secure"), "0");
  geometry.secure_erase = true;
  EXPECT_TRUE(node_.connect(XenbusState::connected, {}, geometry, {}));
  EXPECT_EQ(key("discard-secure"), "1");
}

TEST_F(VbdNodeTest, AStatusOfAnyLengthIsWritten) {
  store_.write({{node_.path() + "/frontend", "/local/domain/1/device/vbd/51712"}});
  const std::string reason(5000, 'x');
  node_.write_status("refused: " + reason);
  EXPECT_TRUE(key("tapring-status").starts_with("refused: xxx"));
}

TEST_F(VbdNodeTest, WritesNothingWhereSomebodyElseMovedTheState) {
  EXPECT_FALSE(node_.connect(XenbusState::initialised, {}, {.size_bytes = 512}, {}));
  EXPECT_EQ(key("sectors"), "none");
  EXPECT_EQ(key("state"), "2");
  EXPECT_EQ(node_.written(), XenbusState::missing);
}

TEST_F(VbdNodeTest, IsConcernedByWhatOthersWriteAgain) {
  for (const char* key : {"", "/state", "/online", "/hotplug-status"}) {
    EXPECT_TRUE(node_.concerns(node_.path() + key)) << key;
  }
  EXPECT_TRUE(node_.concerns("/local/domain/0/backend/vbd/1"));
  for (const char* key : {"/tapring-status", "/sectors", "/feature-discard", "/mode", "/states"}) {
    EXPECT_FALSE(node_.concerns(node_.path() + key)) << key;
  }
}

TEST_F(VbdNodeTest, ThePolicyIsOfOwnKeys) {
  EXPECT_FALSE(node_.write_policy({{"on_no_space", "report"}})) << "the node is gone";
  EXPECT_EQ(key("tapring-on-no-space"), "none");
  store_.write({{node_.path() + "/frontend", "/local/domain/1/device/vbd/51712"}});
  EXPECT_TRUE(node_.read_policy().empty());
  EXPECT_TRUE(node_.write_policy({{"on_no_space", "report"}, {"pause_limit_seconds", "5"}}));
  EXPECT_EQ(key("tapring-on-no-space"), "report");
  EXPECT_EQ(key("tapring-pause-limit-seconds"), "5");
  EXPECT_EQ(node_.read_policy(),
            (PolicyWords{{"on_no_space", "report"}, {"pause_limit_seconds", "5"}}));
  EXPECT_TRUE(node_.is_policy(node_.path() + "/tapring-on-io-error"));
  EXPECT_FALSE(node_.is_policy(node_.path() + "/tapring-status"));
  EXPECT_FALSE(node_.is_policy(node_.path() + "0/tapring-on-io-error"));
}

TEST_F(VbdNodeTest, ReadsTheOfferOfWhoeverMadeIt) {
  store_.write({{node_.path() + "/multi-queue-max-queues", "3"},
                {node_.path() + "/max-ring-page-order", "2"},
                {node_.path() + "/state", "1"}});
  EXPECT_EQ(node_.read_offer().max_queues, 3U);
  EXPECT_EQ(node_.read_offer().max_ring_order, 2U);
  EXPECT_FALSE(node_.offer(XenbusState::init_wait, {.max_queues = 4, .max_ring_order = 4}));
  EXPECT_EQ(node_.read_offer().max_queues, 3U);
  EXPECT_TRUE(node_.offer(XenbusState::initialising, {.max_queues = 4, .max_ring_order = 1}));
  EXPECT_EQ(node_.read_offer().max_queues, 4U);
  EXPECT_EQ(node_.read_offer().max_ring_order, 1U);
}

TEST_F(VbdNodeTest, AGuestCannotChangeAKeyThatWasRead) {
  const std::string key = "/local/domain/1/device/vbd/51712/ring-ref";
  store_.write({{key, "8"}});
  VbdSpec spec;
  spec.frontend = "/local/domain/1/device/vbd/51712";
  const FrontendKeys keys = node_.frontend_keys(spec);
  EXPECT_EQ(keys("ring-ref"), "8");
  store_.write({{key, "9"}});
  EXPECT_EQ(keys("ring-ref"), "8");
  EXPECT_EQ(keys("ring-ref0"), std::nullopt);
}

}  // namespace
}  // namespace tapring
