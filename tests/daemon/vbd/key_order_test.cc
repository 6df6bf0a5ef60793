// SPDX-License-Identifier: MIT
// A toolstack that writes the keys of a disk one by one, in any order, as a script with
// xenstore-write does.
#include <chrono>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class KeyOrder : public HostTest {
 protected:
  KeyOrder() { host_.toolstack().write_keys_apart(); }

  /// The first keys of a disk: the others never come.
  void begin_attach(const DiskLine& disk, std::initializer_list<const char*> keys) {
    host_.toolstack().introduce(disk.name.domain);
    const sim::StoreKeys all = sim::backend_keys(disk);
    for (const char* key : keys) {
      host_.store().write({{backend_directory(disk) + "/" + key, all.at(key)}});
      host_.world().run_for(10ms);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, KeyOrder, testing::ValuesIn(sim::seeds(5)));

TEST_P(KeyOrder, DoesNotMatter) {
  for (const char* script : {"block", "block-tapring"}) {
    DiskLine disk = line(frontends_.empty() ? 1 : 2, script);
    disk.script = std::string("/etc/xen/scripts/") + script;
    if (disk.script.ends_with("tapring")) disk.params.insert(0, "raw:");
    expect_served(attach_and_connect(disk), {.requests = 20});
    expect_detached(disk);
    EXPECT_EQ(host_.held(), "");
  }
}

TEST_P(KeyOrder, DoesNotMatterForWhatTheGuestIsTold) {
  DiskLine disk = line(1, "a.img", "r");
  SimFrontend& reader = attach_and_connect(disk);
  EXPECT_TRUE(reader.read_only());
  expect_detached(disk);
  disk = line(2, "b.img");
  disk.discard = false;
  attach_and_connect(disk);
  EXPECT_EQ(host_.store().read(backend_directory(disk) + "/feature-discard"), "0");
}

TEST_P(KeyOrder, WhatIsMissingIsSaidAndADetachAnswered) {
  DiskLine disk = line(1, "a.img");
  begin_attach(disk, {"frontend", "state", "frontend-id", "params"});
  EXPECT_THAT(host_.report(disk.name).reason, HasSubstr("/mode yet"));
  EXPECT_EQ(host_.backend_state(disk), 1U);
  const std::string directory = backend_directory(disk);
  host_.store().write({{directory + "/online", "0"}, {directory + "/state", "5"}});
  EXPECT_TRUE(closes(disk));
  EXPECT_EQ(host_.held(), "");
}

TEST_P(KeyOrder, ADiskWithoutAScriptIsServed) {
  DiskLine disk = line(1, "a.img");
  disk.script = "";
  expect_served(attach_and_connect(disk), {.requests = 20});
  expect_detached(disk);
}

TEST_P(KeyOrder, AFrontendWithoutItsNumberIsNotTakenForAWrongOne) {
  DiskLine disk = line(1, "a.img");
  begin_attach(disk, {"frontend", "state"});
  EXPECT_THAT(host_.report(disk.name).reason, HasSubstr("/frontend-id yet"));
}

}  // namespace
}  // namespace tapring
