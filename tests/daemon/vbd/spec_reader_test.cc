// SPDX-License-Identifier: MIT
#include "daemon/vbd/spec_reader.h"

#include "tests/daemon/vbd/device_parts.h"

namespace tapring {
namespace {

using Found = SpecReader::Found;

class SpecReaderTest : public DeviceParts {
 protected:
  void write_all() {
    write("frontend", kFrontend);
    write("frontend-id", "1");
    write("mode", "w");
    write("params", "/a.img");
    write("dev", "xvda");
    write("script", "block");
    write("state", "1");
  }

  bool looked_ = false;
  SpecReader reader_{scope_, [this] { looked_ = true; }};
};

TEST_F(SpecReaderTest, FindsNothingWithoutAFrontend) {
  EXPECT_EQ(reader_.read(), Found::nothing);
}

TEST_F(SpecReaderTest, NamesTheKeyThatIsMissing) {
  write("frontend", kFrontend);
  write("frontend-id", "1");
  EXPECT_EQ(reader_.read(), Found::incomplete);
  EXPECT_EQ(reader_.obstacle(), "mode");
  EXPECT_FALSE(reader_.is_known());
}

TEST_F(SpecReaderTest, AFrontendElsewhereIsInvalid) {
  write_all();
  write("frontend", "/local/domain/2/device/vbd/51712");
  EXPECT_EQ(reader_.read(), Found::invalid);
}

TEST_F(SpecReaderTest, ACompleteNodeGivesTheDiskItsName) {
  write_all();
  EXPECT_EQ(reader_.read(), Found::complete);
  EXPECT_EQ(reader_.spec().params, "/a.img");
  EXPECT_EQ(log_.label(), "1/xvda");
}

TEST_F(SpecReaderTest, AScriptIsWaitedForButNotForLong) {
  write_all();
  store_.remove(node_.path() + "/script");
  EXPECT_EQ(reader_.read(), Found::incomplete);
  EXPECT_EQ(reader_.obstacle(), "script");
  EXPECT_TRUE(run_until([this] { return looked_; }));
  EXPECT_EQ(reader_.read(), Found::complete);
  EXPECT_EQ(reader_.spec().script, "");
}

TEST_F(SpecReaderTest, WhatComesLaterCountsButForTheImage) {
  write_all();
  EXPECT_EQ(reader_.read(), Found::complete);
  write("params", "/b.img");
  write("script", "block-tapring");
  reader_.refresh(false);
  EXPECT_EQ(reader_.spec().script, "block");
  reader_.wrote();
  reader_.refresh(false);
  EXPECT_EQ(reader_.spec().script, "block-tapring");
  EXPECT_EQ(reader_.spec().params, "/a.img");
}

TEST_F(SpecReaderTest, NothingChangesOfADiskInUse) {
  write_all();
  EXPECT_EQ(reader_.read(), Found::complete);
  write("script", "block-tapring");
  reader_.wrote();
  reader_.refresh(true);
  EXPECT_EQ(reader_.spec().script, "block");
}

}  // namespace
}  // namespace tapring
