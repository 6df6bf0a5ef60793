// SPDX-License-Identifier: MIT
#include "ring/open_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>

#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;

class OpenFileTest : public testing::Test {
 protected:
  fs::path make(const std::string& name, std::uintmax_t bytes) {
    const fs::path path = directory_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path).close();
    fs::resize_file(path, bytes);
    return path;
  }

  TemporaryDirectory directory_;
};

TEST_F(OpenFileTest, TheJudgeIsToldWhereTheFileIs) {
  const fs::path path = make("real/a", 4096);
  fs::create_directory_symlink("real", directory_.path() / "link");
  std::string seen;
  const OpenFile file =
      open_file({.path = directory_.path() / "link/a",
                 .check = [&](const FoundFile& found) { seen = found.real_path; }});
  EXPECT_EQ(seen, fs::canonical(path));
  EXPECT_EQ(file.real_path, seen);
  EXPECT_EQ(file.path, directory_.path() / "link/a");
}

/// Its inode may be that of the file that was there before.
TEST_F(OpenFileTest, AFileThatIsMadeAnewIsBornLater) {
  const fs::path path = make("a", 4096);
  const auto first = find_file(path);
  ASSERT_TRUE(first);
  EXPECT_EQ(open_file({.path = path}).id.born, first->born);
  std::optional<FileId> next;
  do {  // within a tick of the kernel's clock it would seem to be born at once
    fs::remove(path);
    make("a", 4096);
    next = find_file(path);
  } while (next && first->born != 0 && next->born == first->born);
  ASSERT_TRUE(next);
  EXPECT_GE(next->born, first->born);
  fs::remove(path);
  EXPECT_FALSE(find_file(path));
}

TEST_F(OpenFileTest, WhatWasJudgedIsOpenedWhateverThePathLeadsToByThen) {
  make("a/x", 4096);
  make("b/x", 8192);
  const fs::path link = directory_.path() / "link";
  const fs::path a = directory_.path() / "a", b = directory_.path() / "b";
  fs::create_directory_symlink(a, link);
  const auto swap_link = [&](const FoundFile&) {
    fs::remove(link);
    fs::create_directory_symlink(b, link);
  };
  EXPECT_EQ(open_file({.path = link / "x", .check = swap_link}).size_bytes, 4096U);
  const auto swap_directories = [&](const FoundFile&) {
    fs::rename(a, directory_.path() / "c");
    fs::rename(b, a);
  };
  EXPECT_EQ(open_file({.path = a / "x", .check = swap_directories}).size_bytes, 4096U);
  const auto swap_files = [&](const FoundFile&) { fs::rename(directory_.path() / "c/x", a / "x"); };
  EXPECT_EQ(open_file({.path = a / "x", .check = swap_files}).size_bytes, 8192U);
}

TEST_F(OpenFileTest, WhatTheJudgeThrowsIsTheAnswer) {
  const auto refuse = [](const FoundFile&) {
    throw std::system_error(EACCES, std::system_category(), "no");
  };
  EXPECT_THROW(open_file({.path = make("a", 4096), .check = refuse}), std::system_error);
}

}  // namespace
}  // namespace tapring
