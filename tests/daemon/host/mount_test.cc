// SPDX-License-Identifier: MIT
#include "daemon/host/mount.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <sstream>
#include <string>
#include <vector>

namespace tapring {
namespace {

std::vector<Mount> read(const std::string& text) {
  std::istringstream mountinfo(text);
  return read_mounts(mountinfo);
}

TEST(Mount, IsReadFromALine) {
  const std::vector<Mount> mounts = read(
      "41 40 254:17 /guests /srv/vm ro,relatime shared:1 master:2 - fuse.sshfs host:/ rw,a=b\n"
      "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].device, makedev(254, 17));
  EXPECT_EQ(mounts[0].root, "/guests");
  EXPECT_EQ(mounts[0].point, "/srv/vm");
  EXPECT_EQ(mounts[0].options, "ro,relatime");
  EXPECT_EQ(mounts[0].type, "fuse.sshfs");
  EXPECT_EQ(mounts[0].file_system_options, "rw,a=b");
  EXPECT_EQ(mounts[1].type, "ext4");
}

TEST(Mount, HasThePlainNamesOfWhatIsEscaped) {
  const Mount mount = read("42 40 8:1 /a\\134b /my\\040disks\\011\\9\\04 rw - ext4 d rw\n").at(0);
  EXPECT_EQ(mount.root, "/a\\b");
  EXPECT_EQ(mount.point, "/my disks\t\\9\\04");
}

TEST(Mount, MayBeOfASourceWithoutAName) {
  const Mount mount = read("42 40 0:50 / /mnt rw - tmpfs  rw\n").at(0);
  EXPECT_EQ(mount.point, "/mnt");
  EXPECT_EQ(mount.type, "tmpfs");
}

TEST(Mount, IsNoOtherLine) {
  EXPECT_TRUE(read("\n42 40\n42 40 8:1 / /mnt rw shared:1\n").empty());
}

TEST(Mount, HoldsWhatIsBelowItsPoint) {
  Mount mount;
  mount.point = "/srv/vm";
  EXPECT_TRUE(mount.holds("/srv/vm"));
  EXPECT_TRUE(mount.holds("/srv/vm/a.img"));
  EXPECT_FALSE(mount.holds("/srv/vm2/a.img"));
  EXPECT_FALSE(mount.holds("/srv"));
  mount.point = "/";
  EXPECT_TRUE(mount.holds("/srv"));
}

TEST(Mount, IsThereForThisProcess) {
  EXPECT_THAT(own_mounts(), testing::Contains(testing::Field(&Mount::point, "/proc")));
}

}  // namespace
}  // namespace tapring
