// SPDX-License-Identifier: MIT
// The room that an image takes in its file: what is given back, and used again.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "formats/clusters/commit.h"
#include "formats/clusters/puncher.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/image_verdict.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

using sim::FileOperation;

constexpr uint64_t kMebibyte = uint64_t{1} << 20;
constexpr uint64_t kCluster = 65536;
constexpr uint64_t kOffset = 0x00FF'FFFF'FFFF'FE00;

class Qcow2Room : public testing::Test {
 protected:
  void create(uint64_t cluster_bytes, uint64_t disk_bytes) {
    options_.path = directory_.path() / "image";
    run_command("qemu-img create -q -f qcow2 -o cluster_size=" + std::to_string(cluster_bytes) +
                ' ' + shell_quoted(options_.path) + ' ' + std::to_string(disk_bytes));
  }

  sim::FileBehaviour& behaviour(ServedImage& image) {
    return image.storage().behaviour(options_.path);
  }

  uint64_t allocated_bytes() const {
    struct stat status {};
    EXPECT_EQ(::stat(options_.path.c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  uint64_t file_bytes() const { return std::filesystem::file_size(options_.path); }

  TemporaryDirectory directory_{memory_directory()};
  ImageOptions options_;
};

using Request = std::function<Task<Error>(Image&)>;

Detached perform(Image& image, const Request& request, std::size_t& left) {
  const Error error = co_await request(image);
  EXPECT_FALSE(error) << error.message();
  --left;
}

/// All at once.
void perform_all(ServedImage& image, const std::vector<Request>& requests) {
  std::size_t left = requests.size();
  image.loop().post([&] {
    for (const Request& request : requests) perform(image.image(), request, left);
  });
  ASSERT_TRUE(image.world().run_until([&] { return left == 0; })) << "the image hangs";
}

TEST_F(Qcow2Room, WhatCouldNotBePunchedIsPunchedWithWhatIsReleasedNext) {
  for (const std::errc reason : {std::errc::no_space_on_device, std::errc::io_error}) {
    create(kCluster, kMebibyte);
    ServedImage image(1, "qcow2", options_);
    bool fails = true;
    uint64_t failed = 0;
    uint64_t punched = 0;
    behaviour(image).fault = [&](const FileOperation& operation) {
      if (operation.kind != FileOperation::Kind::discard) return Error();
      (fails ? failed : punched) += operation.bytes;
      return fails ? std::make_error_code(reason) : Error();
    };
    ASSERT_FALSE(image.write(0, std::string(kMebibyte, 'w')));
    ASSERT_FALSE(image.discard(0, kMebibyte / 2));
    ASSERT_FALSE(image.flush());
    image.world().run_until_idle();
    EXPECT_EQ(failed, kMebibyte / 2) << "it is tried once";
    fails = false;
    ASSERT_FALSE(image.discard(kMebibyte / 2, kMebibyte / 2));
    ASSERT_FALSE(image.flush());
    image.world().run_until_idle();
    EXPECT_EQ(punched, kMebibyte);
    EXPECT_FALSE(image.close());
    EXPECT_EQ(complaints_of_qemu(options_.path), "");
  }
}

TEST_F(Qcow2Room, AStorageThatCannotPunchIsAskedOnce) {
  create(kCluster, kMebibyte);
  ServedImage image(1, "qcow2", options_);
  int punches = 0;
  behaviour(image).fault = [&](const FileOperation& operation) {
    if (operation.kind != FileOperation::Kind::discard) return Error();
    ++punches;
    return std::make_error_code(std::errc::operation_not_supported);
  };
  ASSERT_FALSE(image.write(0, std::string(kMebibyte, 'w')));
  for (uint64_t at = 0; at < kMebibyte; at += kMebibyte / 4) {
    ASSERT_FALSE(image.discard(at, kMebibyte / 4));
    ASSERT_FALSE(image.flush());
    image.world().run_until_idle();
  }
  EXPECT_EQ(punches, 1);
  EXPECT_FALSE(image.close());
}

/// A guest that writes and discards for ever, on a storage that punches slowly.
class Qcow2SlowPunches : public Qcow2Room {
 protected:
  static constexpr uint64_t kDisk = 16 * kMebibyte;
  /// What the image may take besides its disk: constants, and its tables.
  static constexpr uint64_t kBesides =
      Commit::kMaxReleasedBytes + Puncher::kMaxPunches * Puncher::kMaxPunchBytes + kMebibyte;

  void slow_down(ServedImage& image) {
    const auto slow = std::chrono::milliseconds(30);
    behaviour(image).latencies[FileOperation::Kind::discard] = {slow, slow};
  }

  /// Each cluster of the disk by chance: written, in part or as a whole, discarded, or left alone.
  void change_some(ServedImage& image) {
    std::vector<Request> requests;
    for (uint64_t at = 0; at < kDisk; at += kCluster) {
      const uint64_t choice = random_.below(4);
      if (choice == 0) {
        std::fill_n(content_.begin() + static_cast<std::ptrdiff_t>(at), kCluster, '\0');
        requests.emplace_back([at](Image& served) { return served.discard(at, kCluster); });
      } else if (choice < 3) {
        const uint64_t bytes = choice == 1 ? kCluster : kCluster / 16;
        char* place = content_.data() + at;
        std::fill_n(place, bytes, static_cast<char>(random_.between('a', 'z')));
        buffers_.push_back({place, bytes});
        const iovec& data = buffers_.back();
        requests.emplace_back([at, &data](Image& served) { return served.write(at, {&data, 1}); });
      }
    }
    perform_all(image, requests);
    buffers_.clear();
  }

  sim::Random random_{1};
  std::string content_ = std::string(kDisk, '\0');
  std::deque<iovec> buffers_;
};

TEST_F(Qcow2SlowPunches, DoNotGrowTheFile) {
  create(kCluster, kDisk);
  ServedImage image(1, "qcow2", options_);
  slow_down(image);
  for (int round = 0; round < 40; ++round) change_some(image);
  EXPECT_LE(file_bytes() / kCluster, (kDisk + kBesides) / kCluster);
  EXPECT_TRUE(image.content() == content_);
  EXPECT_FALSE(image.close());
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
  EXPECT_TRUE(content_by_qemu(options_.path) == content_);
}

TEST_F(Qcow2SlowPunches, AreNotAllWaitedForAtTheEnd) {
  create(kCluster, kDisk);
  ServedImage image(1, "qcow2", options_);
  slow_down(image);
  ASSERT_FALSE(image.write(0, std::string(kDisk, 'w')));
  std::vector<Request> requests;
  for (uint64_t at = 0; at < kDisk; at += 2 * kCluster) {
    requests.emplace_back([at](Image& served) { return served.discard(at, kCluster); });
  }
  perform_all(image, requests);
  std::size_t punches = 0;
  behaviour(image).fault = [&punches](const FileOperation& operation) {
    if (operation.kind == FileOperation::Kind::discard) ++punches;
    return Error();
  };
  EXPECT_FALSE(image.close());
  EXPECT_LE(punches, Puncher::kMaxPunches + Puncher::kMaxPunchesAtClose);
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
}

TEST_F(Qcow2SlowPunches, AreDoneSeveralAtOnceWhenNothingElseIs) {
  create(kCluster, kDisk);
  ServedImage image(1, "qcow2", options_);
  slow_down(image);
  ASSERT_FALSE(image.write(0, std::string(kDisk, 'w')));
  for (uint64_t at = 0; at < kDisk / 2; at += 2 * kCluster) {
    ASSERT_FALSE(image.discard(at, kCluster));
  }
  ASSERT_FALSE(image.flush());
  image.world().run_for(std::chrono::milliseconds(100));
  EXPECT_EQ(image.storage().in_flight(options_.path), Puncher::kMaxPunches);
  image.world().run_until_idle();
  EXPECT_LT(allocated_bytes(), kDisk * 3 / 4 + kMebibyte);
  EXPECT_FALSE(image.close());
}

/// The search for free clusters comes by it: it begins at the first cluster of the file.
TEST_F(Qcow2SlowPunches, AreNotOvertakenByNewData) {
  create(kCluster, kDisk);
  {
    ServedImage image(1, "qcow2", options_);
    ASSERT_FALSE(image.write(0, std::string(kDisk / 2, 'w')));
    ASSERT_FALSE(image.close());
  }
  ServedImage image(2, "qcow2", options_);
  slow_down(image);
  ASSERT_FALSE(image.discard(0, kCluster));
  ASSERT_FALSE(image.flush());
  image.world().run_for(std::chrono::milliseconds(10));
  EXPECT_EQ(image.storage().in_flight(options_.path), 1U) << "the punch";
  ASSERT_FALSE(image.write(kDisk / 2, std::string(kCluster, 'n')));
  image.world().run_until_idle();
  std::string read(kCluster, '?');
  ASSERT_FALSE(image.read(kDisk / 2, read));
  EXPECT_TRUE(read == std::string(kCluster, 'n'));
  EXPECT_FALSE(image.close());
}

/// Its cluster is lost, the others of the batch are not.
TEST_F(Qcow2Room, OneBadRefcountDoesNotEndABatchOfReleases) {
  create(kCluster, kMebibyte);
  ServedImage image(1, "qcow2", options_);
  ASSERT_FALSE(image.write(0, std::string(kMebibyte, 'w')));
  ASSERT_FALSE(image.close());
  {
    const std::string bytes = bytes_of_file(options_.path);
    const auto word = [&bytes](uint64_t at) {
      return qcow2::load<uint64_t>(std::as_bytes(std::span(bytes)), at);
    };
    const uint64_t first_data = word(word(word(40)) & kOffset) & kOffset;
    std::fstream file(options_.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(word(word(48)) + first_data / kCluster * 2));
    file << '\0' << '\0';
  }
  ServedImage again(1, "qcow2", options_);
  std::vector<Request> requests;
  for (uint64_t turn = 0; turn < 16; ++turn) {
    const uint64_t i = (turn + 13) % 16;  // the first commit has but one of them
    const uint64_t at = i % 2 * (kMebibyte / 2) + i / 2 * kCluster;  // no two neighbours in turn
    requests.emplace_back([at](Image& served) { return served.discard(at, kCluster); });
  }
  perform_all(again, requests);
  ASSERT_FALSE(again.close());
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
}

/// With no flush after the discard, and nothing else.
TEST_F(Qcow2Room, OfALargeDiscardAKillLeaksNoMoreThanMayWait) {
  constexpr uint64_t kMost = Commit::kMaxReleasedBytes;
  create(kCluster, 2 * kMost);
  ServedImage image(1, "qcow2", options_);
  ASSERT_FALSE(image.write(0, std::string(2 * kMost, 'w')));
  ASSERT_FALSE(image.discard(0, 2 * kMost));
  image.world().run_until_idle();
  EXPECT_LE(allocated_bytes(), kMost);
  image.die();
  image.close();
  image.world().run_until_idle();
  EXPECT_LE(verdict_on(options_.path, "qcow2").leaks, kMost / kCluster);
}

/// More free ranges than are remembered: each second cluster is given back and written again.
TEST_F(Qcow2Room, ScatteredClustersThatAreFreedAndWrittenAgainDoNotGrowTheFile) {
  constexpr uint64_t kSmall = 512;
  constexpr uint64_t kClusters = 34000;
  constexpr uint64_t kAtOnce = 2000;
  create(kSmall, kClusters * kSmall);
  ServedImage image(1, "qcow2", options_);
  ASSERT_FALSE(image.write(0, std::string(kClusters * kSmall, 'w')));
  ASSERT_FALSE(image.flush());
  const uint64_t filled = file_bytes();
  std::string again(kSmall, 'a');
  const iovec whole{again.data(), again.size()};
  const auto every_second = [&](const std::function<Task<Error>(Image&, uint64_t)>& act) {
    for (uint64_t first = 0; first < kClusters; first += kAtOnce) {
      std::vector<Request> requests;
      for (uint64_t i = first; i < first + kAtOnce; i += 2) {
        requests.emplace_back([&, i](Image& served) { return act(served, i * kSmall); });
      }
      perform_all(image, requests);
    }
    ASSERT_FALSE(image.flush());
    ASSERT_FALSE(image.flush());
    image.world().run_until_idle();
  };
  for (int cycle = 0; cycle < 2; ++cycle) {
    every_second([&](Image& served, uint64_t at) { return served.discard(at, kSmall); });
    every_second([&](Image& served, uint64_t at) { return served.write(at, {&whole, 1}); });
  }
  EXPECT_LE(file_bytes(), filled + 64 * kSmall);
  EXPECT_FALSE(image.close());
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
}

}  // namespace
}  // namespace tapring
