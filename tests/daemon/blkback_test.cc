// SPDX-License-Identifier: MIT
#include "daemon/blkback.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

/// Files in place of the driver's attributes: they keep what was written to them.
class BlkbackTest : public testing::Test {
 protected:
  void load() {
    std::filesystem::create_directories(driver_);
    std::ofstream(driver_ / "unbind").close();
    std::ofstream(driver_ / "bind").close();
  }
  std::string written_to(const char* attribute) const {
    std::ifstream file(driver_ / attribute);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryDirectory bus_;
  std::filesystem::path driver_ = bus_.path() / "drivers/vbd";
  Blkback blkback_{bus_.path()};
};

TEST_F(BlkbackTest, IsNotLoadedWithoutItsDriverDirectory) {
  EXPECT_FALSE(blkback_.loaded());
  load();
  EXPECT_TRUE(blkback_.loaded());
}

TEST_F(BlkbackTest, ServesTheDevicesInItsDriverDirectory) {
  load();
  EXPECT_FALSE(blkback_.serves("vbd-0-51712"));
  std::filesystem::create_directory(driver_ / "vbd-0-51712");
  EXPECT_TRUE(blkback_.serves("vbd-0-51712"));
}

TEST_F(BlkbackTest, UnbindWritesTheDevicesName) {
  load();
  EXPECT_FALSE(blkback_.unbind("vbd-0-51712", false, 0ms));
  EXPECT_EQ(written_to("unbind"), "vbd-0-51712");
}

TEST_F(BlkbackTest, BindWritesTheDevicesName) {
  load();
  EXPECT_FALSE(blkback_.bind("vbd-0-51712"));
  EXPECT_EQ(written_to("bind"), "vbd-0-51712");
}

TEST_F(BlkbackTest, UnbindSaysWhatTheKernelSaid) {
  EXPECT_EQ(blkback_.unbind("vbd-0-51712", false, 0ms), std::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace tapring
