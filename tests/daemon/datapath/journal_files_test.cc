// SPDX-License-Identifier: MIT
#include "daemon/datapath/journal_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

#include "ring/shared_memory.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class JournalFilesTest : public testing::Test {
 protected:
  static constexpr std::size_t kBytes = 4096;

  std::byte first_byte(const std::string& disk, uint32_t queue) {
    return open(disk, queue).bytes().front();
  }
  void write(const std::string& disk, uint32_t queue, std::byte value) {
    open(disk, queue).bytes().front() = value;
  }
  SharedMemory open(const std::string& disk, uint32_t queue) {
    return {journals_.open(disk, queue, kBytes).get(), kBytes};
  }

  TemporaryDirectory run_dir_;
  JournalFiles journals_{run_dir_.path()};
};

TEST_F(JournalFilesTest, ANewOneIsZeros) {
  const SharedMemory memory = open("vbd-1-51712", 0);
  EXPECT_EQ(memory.bytes().size(), kBytes);
  EXPECT_TRUE(std::ranges::all_of(memory.bytes(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST_F(JournalFilesTest, WhatWasWrittenIsThereForTheNext) {
  write("vbd-1-51712", 0, std::byte{1});
  write("vbd-1-51712", 1, std::byte{2});
  const JournalFiles next(run_dir_.path());
  EXPECT_EQ(first_byte("vbd-1-51712", 0), std::byte{1});
  EXPECT_EQ(first_byte("vbd-1-51712", 1), std::byte{2});
}

TEST_F(JournalFilesTest, RemovingADisksLeavesThoseOfANameThatBeginsAlike) {
  write("vbd-1-5171", 0, std::byte{1});
  write("vbd-1-51712", 0, std::byte{2});
  write("vbd-1-51712", 3, std::byte{3});
  EXPECT_THAT(journals_.disks(), ElementsAre("vbd-1-5171", "vbd-1-51712"));
  journals_.remove("vbd-1-5171");
  EXPECT_THAT(journals_.disks(), ElementsAre("vbd-1-51712"));
  EXPECT_EQ(first_byte("vbd-1-51712", 3), std::byte{3});
  journals_.remove("vbd-1-51712");
  EXPECT_THAT(journals_.disks(), IsEmpty());
}

TEST_F(JournalFilesTest, OnlyTheirOwnerMayReadThem) {
  write("vbd-1-51712", 0, std::byte{1});
  const auto directory = run_dir_.path() / "journal";
  EXPECT_EQ(std::filesystem::status(directory).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(JournalFilesTest, ALinkThatSomebodyPutThereIsNotFollowed) {
  const auto elsewhere = run_dir_.path() / "elsewhere";
  std::filesystem::create_symlink(elsewhere, run_dir_.path() / "journal/vbd-1-51712.0");
  try {
    journals_.open("vbd-1-51712", 0, kBytes);
    ADD_FAILURE() << "it was followed";
  } catch (const std::system_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("journal/vbd-1-51712.0"));
  }
  EXPECT_FALSE(std::filesystem::exists(elsewhere));
}

}  // namespace
}  // namespace tapring
