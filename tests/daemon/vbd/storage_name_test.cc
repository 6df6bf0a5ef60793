// SPDX-License-Identifier: MIT
#include "daemon/vbd/storage_name.h"

#include <gtest/gtest.h>

#include <sstream>

namespace tapring {
namespace {

std::string name_of(const std::string& path) {
  std::istringstream mounts(
      "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
      "40 27 0:40 / /srv rw - ext4 /dev/vdb rw\n"
      "41 40 0:41 / /srv/nfs rw shared:1 - nfs4 host:/export rw\n"
      "42 40 0:42 / /srv/my\\040disks rw - ext4 /dev/vdc rw\n"
      "43 27 0:6 / /dev rw - devtmpfs devtmpfs rw\n");
  return storage_name(path, read_mounts(mounts));
}

TEST(StorageName, IsTheMountPointThatThePathLeadsTo) {
  EXPECT_EQ(name_of("/srv/a.img"), "/srv");
  EXPECT_EQ(name_of("/srv/nfs/guest/a.img"), "/srv/nfs");
  EXPECT_EQ(name_of("/srv/nfs2/a.img"), "/srv");
  EXPECT_EQ(name_of("/srv/my disks/a.img"), "/srv/my disks");
  EXPECT_EQ(name_of("/home/a.img"), "/");
}

TEST(StorageName, OfADeviceIsItsOwn) {
  EXPECT_EQ(name_of("/dev/vg/a"), "/dev/vg/a");
}

TEST(StorageName, IsThereForAnyPath) {
  for (const char* path : {"", "a.img", "\\", "/"}) EXPECT_LE(name_of(path).size(), 1U);
  EXPECT_EQ(storage_name("/proc/self/mountinfo"), "/proc");
}

}  // namespace
}  // namespace tapring
