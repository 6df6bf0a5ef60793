// SPDX-License-Identifier: MIT
#include "daemon/vbd/open_disk.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class OpenDisk : public testing::Test {
 protected:
  std::string image(const std::string& name, std::uintmax_t bytes) {
    const std::string path = (directory_.path() / name).string();
    std::ofstream(path).close();
    std::filesystem::resize_file(path, bytes);
    return path;
  }

  std::unique_ptr<OpenImage> open(const std::string& path, const std::string& mode,
                                  Purpose purpose = Purpose::service) {
    return open_disk({{"raw", path}, mode, purpose, "vbd-1-51712"}, policy_);
  }

  void expect_refusal(const std::string& path, const std::string& mode, const std::string& reason) {
    try {
      open(path, mode);
      FAIL() << "opened " << path;
    } catch (const std::exception& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(path), HasSubstr(reason)));
    }
  }

  TemporaryDirectory directory_;
  OpenPolicy policy_;
};

TEST_F(OpenDisk, SizeIsRoundedDownToSectorsAndSaidSo) {
  const auto opened = open(image("a", 1300), "w");
  EXPECT_EQ(opened->geometry().size_bytes, 1024U);
  ASSERT_EQ(opened->notices().size(), 1U);
  EXPECT_THAT(opened->notices()[0], HasSubstr("1300 bytes is no multiple of 512"));
}

TEST_F(OpenDisk, ModeWithoutWIsReadOnly) {
  EXPECT_TRUE(open(image("a", 4096), "r")->geometry().read_only);
  EXPECT_FALSE(open(image("a", 4096), "w")->geometry().read_only);
}

TEST_F(OpenDisk, TheCacheForItsMapIsThePolicys) {
  policy_.map_cache_bytes = 12345;
  EXPECT_EQ(image_options({{"qcow2", "/a"}, "w", Purpose::service, "d"}, policy_).map_cache_bytes,
            12345U);
}

TEST_F(OpenDisk, MissingImageIsRefused) {
  expect_refusal((directory_.path() / "none").string(), "w", "create it or correct the path");
}

TEST_F(OpenDisk, EmptyImageIsRefused) { expect_refusal(image("a", 0), "w", "truncate -s"); }

TEST_F(OpenDisk, LessThanASectorIsRefused) { expect_refusal(image("a", 511), "r", "is empty"); }

TEST_F(OpenDisk, DirectoryIsRefused) {
  expect_refusal(directory_.path().string(), "w", "name a regular file or a block device");
  expect_refusal(directory_.path().string(), "r", "name a regular file or a block device");
}

TEST_F(OpenDisk, FifoIsRefusedWithoutWaitingForItsOtherEnd) {
  const std::string path = (directory_.path() / "fifo").string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  expect_refusal(path, "r", "no regular file and no block device");
}

TEST_F(OpenDisk, SecondWriterIsRefused) {
  const std::string path = image("a", 4096);
  const auto first = open(path, "w");
  expect_refusal(path, "w", "is in use by ");
  expect_refusal(path, "r", "is in use by ");
}

TEST_F(OpenDisk, ReadersShareAnImage) {
  const std::string path = image("a", 4096);
  const auto first = open(path, "r");
  const auto second = open(path, "r");
  expect_refusal(path, "w", "is in use by ");
}

TEST_F(OpenDisk, ExclamationMarkLeavesOutTheLock) {
  const std::string path = image("a", 4096);
  const auto first = open(path, "w");
  EXPECT_NO_THROW(open(path, "w!"));
}

TEST_F(OpenDisk, LockGoesWithTheImage) {
  const std::string path = image("a", 4096);
  open(path, "w").reset();
  EXPECT_NO_THROW(open(path, "w"));
}

TEST_F(OpenDisk, LockGoesWithTheLastWhoSharesTheImage) {
  const std::string path = image("a", 4096);
  auto first = open(path, "w");
  auto second = first->share();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->geometry().size_bytes, 4096U);
  first.reset();
  expect_refusal(path, "w", "is in use by ");
  second.reset();
  EXPECT_NO_THROW(open(path, "w"));
}

TEST_F(OpenDisk, ImageOutsideTheAllowedDirectoriesIsRefused) {
  const std::string path = image("a", 4096);
  policy_.files.directories = {"/srv/images"};
  expect_refusal(path, "w", "see image_directories");
}

TEST_F(OpenDisk, LinkOutOfAnAllowedDirectoryIsRefused) {
  const std::string path = image("a", 4096);
  std::filesystem::create_directory(directory_.path() / "allowed");
  std::filesystem::create_symlink(path, directory_.path() / "allowed/link");
  policy_.files.directories = {(directory_.path() / "allowed").string()};
  EXPECT_THROW(open(policy_.files.directories[0] + "/link", "w"),
               std::runtime_error);
}

// Once the path had been judged and was then opened, and led elsewhere by that time.
TEST_F(OpenDisk, WhoSwapsALinkMeanwhileGetsNoFileFromOutsideAttached) {
  const std::filesystem::path allowed = directory_.path() / "allowed";
  std::filesystem::create_directory(allowed);
  const std::string outside = image("outside", 8192);
  const std::string inside = image("allowed/inside", 4096);
  const std::filesystem::path link = allowed / "link", next = allowed / "next";
  std::filesystem::create_symlink(inside, link);
  policy_.files.directories = {allowed.string()};
  std::atomic<bool> over = false;
  std::thread swapper([&] {
    for (bool out = true; !over; out = !out) {
      std::filesystem::create_symlink(out ? outside : inside, next);
      std::filesystem::rename(next, link);
    }
  });
  int opened = 0;
  for (int i = 0; i < 1000; ++i) {
    try {
      const Purpose purpose = i % 2 == 0 ? Purpose::probe : Purpose::service;
      EXPECT_EQ(open(link.string(), "w", purpose)->geometry().size_bytes, 4096U);
      ++opened;
    } catch (const std::system_error& refused) {
      EXPECT_EQ(refused.code(), std::errc::permission_denied) << refused.what();
    }
  }
  over = true;
  swapper.join();
  EXPECT_GT(opened, 0);
}

TEST_F(OpenDisk, ImageBelowAnAllowedDirectoryIsOpened) {
  const std::string path = image("a", 4096);
  policy_.files.directories = {directory_.path().string()};
  EXPECT_NO_THROW(open(path, "w"));
}

}  // namespace
}  // namespace tapring
