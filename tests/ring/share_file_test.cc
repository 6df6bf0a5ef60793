// SPDX-License-Identifier: MIT
// A file that is open once for each of several loops.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "ring/open_file.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

class ShareFileTest : public testing::Test {
 protected:
  ShareFileTest() {
    std::ofstream(path_).close();
    std::filesystem::resize_file(path_, 8192);
  }

  OpenFile open(bool read_only = false, Caching caching = Caching::page_cache) const {
    return open_file({.path = path_, .read_only = read_only, .caching = caching});
  }

  bool is_locked() const {
    try {
      open();
      return false;
    } catch (const FileInUse&) {
      return true;
    }
  }

  static int flags(const OpenFile& file) { return ::fcntl(file.fd.get(), F_GETFL); }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path() / "a.img";
};

// The kernel tells an error of writing back once to each description.
TEST_F(ShareFileTest, HasADescriptionOfItsOwn) {
  const OpenFile file = open();
  const std::optional<OpenFile> other = share_file(file);
  ASSERT_TRUE(other);
  ASSERT_EQ(::lseek(file.fd.get(), 512, SEEK_SET), 512);
  EXPECT_EQ(::lseek(other->fd.get(), 0, SEEK_CUR), 0);
}

TEST_F(ShareFileTest, IsOpenInTheSameWay) {
  for (const bool read_only : {false, true}) {
    for (const Caching caching : {Caching::page_cache, Caching::direct}) {
      const OpenFile file = open(read_only, caching);
      const std::optional<OpenFile> other = share_file(file);
      ASSERT_TRUE(other);
      EXPECT_EQ(flags(*other), flags(file));
      EXPECT_EQ(other->direct, file.direct);
      EXPECT_EQ(::pwrite(other->fd.get(), "", 0, 0) == 0, !read_only);
    }
  }
}

TEST_F(ShareFileTest, TheLockLastsUntilTheLastIsClosed) {
  std::optional<OpenFile> file = open();
  std::optional<OpenFile> other = share_file(*file);
  ASSERT_TRUE(other);
  file.reset();
  EXPECT_TRUE(is_locked());
  other.reset();
  EXPECT_FALSE(is_locked());
}

TEST_F(ShareFileTest, AFenceLastsAsLong) {
  const FileOptions fenced{
      .path = path_, .lock = {.sharing = Sharing::unlocked, .fence = kFirstFence + 7}};
  std::optional<OpenFile> file = open_file(fenced);
  std::optional<OpenFile> other = share_file(*file);
  ASSERT_TRUE(other);
  file.reset();
  EXPECT_THROW(open_file(fenced), FileInUse);
  other.reset();
  EXPECT_NO_THROW(open_file(fenced));
}

TEST_F(ShareFileTest, IsTheSameFileWhateverItsNameMeansNow) {
  const OpenFile file = open();
  std::filesystem::rename(path_, path_ + ".away");
  std::ofstream(path_) << "another";
  const std::optional<OpenFile> renamed = share_file(file);
  ASSERT_TRUE(renamed);
  EXPECT_EQ(::lseek(renamed->fd.get(), 0, SEEK_END), 8192);
  std::filesystem::remove(path_ + ".away");
  const std::optional<OpenFile> unlinked = share_file(file);
  ASSERT_TRUE(unlinked);
  EXPECT_EQ(::pwrite(unlinked->fd.get(), "x", 1, 0), 1);
}

}  // namespace
}  // namespace tapring
