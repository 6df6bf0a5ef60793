// SPDX-License-Identifier: MIT
#include "daemon/host/landlock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/daemon/host/forked.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;
using Access = Landlock::Access;

class LandlockTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Landlock::make()) << "this kernel has no Landlock, which Debian 12's has";
    for (const char* name : {"read", "written", "else"}) {
      fs::create_directory(directory_.path() / name);
      std::ofstream(directory_.path() / name / "file") << "x";
    }
  }

  /// What a process may do that is allowed a directory of each kind.
  int errno_of(const std::function<int(const fs::path&)>& act) {
    return errno_of_fork([&] {
      auto rules = Landlock::make();
      rules->allow(directory_.path() / "read", Access::read);
      rules->allow(directory_.path() / "written", Access::write);
      rules->allow(directory_.path() / "missing", Access::write);
      rules->restrict_thread();
      return act(directory_.path());
    });
  }
  int errno_of_open(const char* name, int flags) {
    return errno_of(
        [&](const fs::path& root) { return ::open((root / name).c_str(), flags, 0600); });
  }

  TemporaryDirectory directory_;
};

TEST_F(LandlockTest, WhatIsNotAllowedIsOutOfReach) {
  EXPECT_EQ(errno_of_open("read/file", O_RDONLY), 0);
  EXPECT_EQ(errno_of_open("read/file", O_RDWR), EACCES);
  EXPECT_EQ(errno_of_open("written/file", O_RDWR), 0);
  EXPECT_EQ(errno_of_open("written/new", O_RDWR | O_CREAT), EACCES);
  EXPECT_EQ(errno_of_open("else/file", O_RDONLY), EACCES);
  EXPECT_EQ(errno_of_open("else", O_RDONLY | O_DIRECTORY), EACCES);
  EXPECT_EQ(errno_of_open("../../../../etc/passwd", O_RDONLY), EACCES);
}

TEST_F(LandlockTest, NothingIsRemovedOrRenamed) {
  EXPECT_EQ(errno_of([](const fs::path& root) {
              return ::unlink((root / "written/file").c_str());
            }),
            EACCES);
  EXPECT_EQ(errno_of([](const fs::path& root) {
              return ::rename((root / "written/file").c_str(), (root / "written/other").c_str());
            }),
            EACCES);
}

TEST_F(LandlockTest, NoProgramIsRun) {
  EXPECT_EQ(errno_of([](const fs::path&) { return ::execl("/bin/true", "true", nullptr); }),
            EACCES);
}

}  // namespace
}  // namespace tapring
