// SPDX-License-Identifier: MIT
#include "daemon/host/sysfs_blkback.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

/// Files in place of the driver's attributes: they keep what was written to them.
class SysfsBlkbackTest : public testing::Test {
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

  TemporaryDirectory sysfs_;
  std::filesystem::path driver_ = sysfs_.path() / "bus/xen-backend/drivers/vbd";
  SysfsBlkback blkback_{sysfs_.path()};
};

TEST_F(SysfsBlkbackTest, IsNotLoadedWithoutItsDriverDirectory) {
  EXPECT_FALSE(blkback_.loaded());
  load();
  EXPECT_TRUE(blkback_.loaded());
}

TEST_F(SysfsBlkbackTest, ServesTheDevicesInItsDriverDirectory) {
  load();
  EXPECT_FALSE(blkback_.serves("vbd-0-51712"));
  std::filesystem::create_directory(driver_ / "vbd-0-51712");
  EXPECT_TRUE(blkback_.serves("vbd-0-51712"));
}

TEST_F(SysfsBlkbackTest, UnbindWritesTheDevicesName) {
  load();
  EXPECT_FALSE(blkback_.unbind("vbd-0-51712", false, 0ms));
  EXPECT_EQ(written_to("unbind"), "vbd-0-51712");
}

TEST_F(SysfsBlkbackTest, BindWritesTheDevicesName) {
  load();
  EXPECT_FALSE(blkback_.bind("vbd-0-51712"));
  EXPECT_EQ(written_to("bind"), "vbd-0-51712");
}

TEST_F(SysfsBlkbackTest, UnbindSaysWhatTheKernelSaid) {
  EXPECT_EQ(blkback_.unbind("vbd-0-51712", false, 0ms), std::errc::no_such_file_or_directory);
}

TEST_F(SysfsBlkbackTest, PersistentGrantsAreOffForAsLongAsAnybodyNeedsThat) {
  EXPECT_EQ(blkback_.without_persistent_grants(), nullptr);
  const auto parameters = sysfs_.path() / "module/xen_blkback/parameters";
  std::filesystem::create_directories(parameters);
  std::ofstream(parameters / "feature_persistent") << "Y";
  auto one = blkback_.without_persistent_grants();
  auto another = blkback_.without_persistent_grants();
  ASSERT_TRUE(one && another);
  one.reset();
  EXPECT_FALSE(blkback_.limits().persistent_grants);
  another.reset();
  EXPECT_TRUE(blkback_.limits().persistent_grants);
}

TEST_F(SysfsBlkbackTest, LimitsAreTheModulesParameters) {
  const auto parameters = sysfs_.path() / "module/xen_blkback/parameters";
  std::filesystem::create_directories(parameters);
  std::ofstream(parameters / "max_queues") << "2\n";
  std::ofstream(parameters / "max_ring_page_order") << "4\n";
  EXPECT_EQ(blkback_.limits().max_queues, 2U);
  EXPECT_EQ(blkback_.limits().max_ring_order, 4U);
  EXPECT_TRUE(blkback_.limits().persistent_grants);
  std::ofstream(parameters / "feature_persistent") << "N\n";
  EXPECT_FALSE(blkback_.limits().persistent_grants);
}

TEST_F(SysfsBlkbackTest, WithoutTheModuleNothingIsTaken) {
  EXPECT_EQ(blkback_.limits().max_queues, 0U);
}

}  // namespace
}  // namespace tapring
