// SPDX-License-Identifier: MIT
#include "daemon/vbd/served_files.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <cstdint>
#include <set>
#include <sstream>
#include <vector>

namespace tapring {
namespace {

TEST(ServedFiles, AreKnownByEachFile) {
  const std::vector<FileId> chain{{makedev(8, 1), 12}, {makedev(8, 1), 13}, {makedev(8, 2), 14}};
  const std::string line = served_files_line(chain);
  // Of the list "8:1:12 8:1:13 8:2:14 ", as other versions write and read it.
  EXPECT_EQ(line, "8:1:12 3 b4878475e48b6851");
  EXPECT_TRUE(are_served_files(line, chain, {}));
  EXPECT_TRUE(is_served_image(line, chain[0], {}));
  EXPECT_FALSE(is_served_image(line, {makedev(8, 1), 1}, {}));
  for (std::size_t i = 0; i < chain.size(); ++i) {
    std::vector<FileId> other = chain;
    other[i].inode = 99;
    EXPECT_FALSE(are_served_files(line, other, {})) << i;
    other = chain;
    other[i].device = makedev(9, 1);
    EXPECT_FALSE(are_served_files(line, other, {})) << i;
  }
  EXPECT_FALSE(are_served_files(line, std::span(chain).first(2), {}));
}

/// ext4 gives the inode of a file that was removed to the next one that is made.
TEST(ServedFiles, AreNotThoseThatGotTheirInodes) {
  const std::vector<FileId> chain{{makedev(8, 1), 12, 1000}, {makedev(8, 1), 13, 2000}};
  const std::string line = served_files_line(chain);
  EXPECT_TRUE(are_served_files(line, chain, {}));
  EXPECT_TRUE(is_served_image(line, chain[0], {}));
  EXPECT_FALSE(is_served_image(line, {makedev(8, 1), 12, 1001}, {}));
  for (std::size_t i = 0; i < chain.size(); ++i) {
    std::vector<FileId> later = chain;
    ++later[i].born;
    EXPECT_FALSE(are_served_files(line, later, {})) << i;
  }
}

TEST(ServedFiles, AreKnownByTheirInodesWhereNobodySaysWhenTheyWereMade) {
  const std::vector<FileId> unknown{{makedev(8, 1), 12}, {makedev(8, 1), 13}};
  const std::vector<FileId> known{{makedev(8, 1), 12, 1000}, {makedev(8, 1), 13, 2000}};
  EXPECT_TRUE(are_served_files(served_files_line(unknown), known, {}));
  EXPECT_TRUE(is_served_image(served_files_line(unknown), known[0], {}));
  EXPECT_TRUE(are_served_files(served_files_line(known), unknown, {}));
  EXPECT_TRUE(is_served_image(served_files_line(known), unknown[0], {}));
}

TEST(ServedFiles, OfAFileSystemWithoutADeviceOutliveItsMount) {
  const std::string line = served_files_line(std::vector<FileId>{{makedev(0, 40), 12}});
  EXPECT_TRUE(are_served_files(line, std::vector<FileId>{{makedev(0, 77), 12}}, {}));
  EXPECT_FALSE(are_served_files(line, std::vector<FileId>{{makedev(0, 40), 13}}, {}));
}

TEST(ServedFiles, OfAFileSystemThatForgetsItsInodesAreKnownByThat) {
  const FileId local{makedev(8, 1), 12};
  const FileId shared{makedev(0, 40), 13};
  const std::set<uint64_t> fleeting{makedev(0, 41)};
  const FileId later{makedev(0, 41), 99};
  const std::string line = served_files_line(std::vector<FileId>{shared});
  EXPECT_TRUE(is_served_image(line, later, fleeting));
  EXPECT_TRUE(are_served_files(line, std::vector<FileId>{later}, fleeting));
  EXPECT_FALSE(is_served_image(line, later, {}));
  EXPECT_FALSE(is_served_image(served_files_line(std::vector<FileId>{local}), later, fleeting));
  const std::string chain = served_files_line(std::vector<FileId>{local, shared});
  EXPECT_TRUE(are_served_files(chain, std::vector<FileId>{local, later}, fleeting));
  EXPECT_FALSE(are_served_files(chain, std::vector<FileId>{local, later, later}, fleeting));
  EXPECT_FALSE(are_served_files(chain, std::vector<FileId>{{makedev(8, 1), 1}, later}, fleeting));
}

TEST(ServedFiles, DoNotLastOnFuseAndSmb) {
  std::istringstream mountinfo(
      "28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "40 28 0:41 / /srv/ssh rw shared:2 master:1 - fuse.sshfs host:/ rw\n"
      "41 28 8:17 / /srv/ntfs rw - fuseblk /dev/sdb1 rw\n"
      "42 28 0:42 / /srv/smb rw - cifs //host/share rw\n"
      "43 28 0:43 / /srv/nfs rw - nfs4 host:/ rw\n");
  EXPECT_EQ(devices_without_lasting_inodes(read_mounts(mountinfo)),
            (std::set<uint64_t>{makedev(0, 41), makedev(8, 17), makedev(0, 42)}));
}

TEST(ServedFiles, AreAnyWhereNothingIsKnown) {
  EXPECT_TRUE(are_served_files("", std::vector<FileId>{{1, 2}}, {}));
  EXPECT_TRUE(is_served_image("", {1, 2}, {}));
}

TEST(ServedFiles, OfTheLongestChainFitIntoXenstore) {
  const std::vector<FileId> chain(1000, {~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}});
  EXPECT_LT(served_files_line(chain).size(), 100U);
}

}  // namespace
}  // namespace tapring
