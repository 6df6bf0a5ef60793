// SPDX-License-Identifier: MIT
#include "daemon/vbd/served_files.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <vector>

namespace tapring {
namespace {

TEST(ServedFiles, AreKnownByEachFile) {
  const std::vector<FileId> chain{{makedev(8, 1), 12}, {makedev(8, 1), 13}, {makedev(8, 2), 14}};
  const std::string line = served_files_line(chain);
  EXPECT_TRUE(are_served_files(line, chain));
  EXPECT_TRUE(is_served_image(line, chain[0]));
  EXPECT_FALSE(is_served_image(line, {makedev(8, 1), 1}));
  for (std::size_t i = 0; i < chain.size(); ++i) {
    std::vector<FileId> other = chain;
    other[i].inode = 99;
    EXPECT_FALSE(are_served_files(line, other)) << i;
    other = chain;
    other[i].device = makedev(9, 1);
    EXPECT_FALSE(are_served_files(line, other)) << i;
  }
  EXPECT_FALSE(are_served_files(line, std::span(chain).first(2)));
}

TEST(ServedFiles, OfAFileSystemWithoutADeviceOutliveItsMount) {
  const std::string line = served_files_line(std::vector<FileId>{{makedev(0, 40), 12}});
  EXPECT_TRUE(are_served_files(line, std::vector<FileId>{{makedev(0, 77), 12}}));
  EXPECT_FALSE(are_served_files(line, std::vector<FileId>{{makedev(0, 40), 13}}));
}

TEST(ServedFiles, AreAnyWhereNothingIsKnown) {
  EXPECT_TRUE(are_served_files("", std::vector<FileId>{{1, 2}}));
  EXPECT_TRUE(is_served_image("", {1, 2}));
}

TEST(ServedFiles, OfTheLongestChainFitIntoXenstore) {
  const std::vector<FileId> chain(1000, {~uint64_t{0}, ~uint64_t{0}});
  EXPECT_LT(served_files_line(chain).size(), 100U);
}

}  // namespace
}  // namespace tapring
