// SPDX-License-Identifier: MIT
#include "daemon/host/sysfs_blkback.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

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

TEST_F(SysfsBlkbackTest, ALoopDeviceIsKnownByItsNumberInHexadecimalDigits) {
  EXPECT_FALSE(blkback_.block_device("7:1a"));
  const auto device = sysfs_.path() / "devices/loop26";
  std::filesystem::create_directories(device / "loop");
  std::filesystem::create_directories(sysfs_.path() / "dev/block");
  std::filesystem::create_directory_symlink(device, sysfs_.path() / "dev/block/7:26");
  std::ofstream(device / "size") << "2048\n";
  std::ofstream(device / "loop/backing_file") << "/srv/a b.img (deleted)\n";
  std::ofstream(device / "loop/offset") << "512\n";
  std::ofstream(device / "loop/sizelimit") << "4096\n";
  const auto found = blkback_.block_device("7:1a");
  ASSERT_TRUE(found && found->loop);
  EXPECT_EQ(found->path, "/dev/loop26");
  EXPECT_EQ(found->id, (FileId{makedev(7, 26), 0}));
  EXPECT_EQ(found->size_bytes, 1U << 20);
  EXPECT_EQ(found->loop->file, "/srv/a b.img (deleted)");
  EXPECT_EQ(found->loop->offset, 512U);
  EXPECT_EQ(found->loop->size_limit, 4096U);
}

TEST_F(SysfsBlkbackTest, AnotherBlockDeviceHasNoFile) {
  std::filesystem::create_directories(sysfs_.path() / "dev/block/253:0");
  const auto found = blkback_.block_device("fd:0");
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->loop);
  EXPECT_FALSE(blkback_.block_device(""));
  EXPECT_FALSE(blkback_.block_device("fd:0x"));
}

TEST_F(SysfsBlkbackTest, WithoutTheModuleNothingIsTaken) {
  EXPECT_EQ(blkback_.limits().max_queues, 0U);
}

}  // namespace
}  // namespace tapring
