// SPDX-License-Identifier: MIT
#include "daemon/vbd_node.h"

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

TEST_F(VbdNodeTest, AVerdictOfAnyLengthIsWritten) {
  store_.write({{node_.path() + "/frontend", "/local/domain/1/device/vbd/51712"}});
  const std::string reason(5000, 'x');
  node_.write_verdict("refused: " + reason);
  EXPECT_TRUE(key("tapring-status").starts_with("refused: xxx"));
}

TEST_F(VbdNodeTest, WritesNothingWhereSomebodyElseMovedTheState) {
  EXPECT_FALSE(node_.connect(XenbusState::initialised, {}, {.size_bytes = 512}, {}));
  EXPECT_EQ(key("sectors"), "none");
  EXPECT_EQ(key("state"), "2");
  EXPECT_EQ(node_.written(), XenbusState::missing);
}

}  // namespace
}  // namespace tapring
