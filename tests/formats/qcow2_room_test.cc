// SPDX-License-Identifier: MIT
// The room that an image takes in its file: what is given back, and used again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

using sim::FileOperation;

constexpr uint64_t kMebibyte = uint64_t{1} << 20;

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

TEST_F(Qcow2Room, APunchThatFailsIsNotTheLastOne) {
  for (const std::errc reason : {std::errc::no_space_on_device, std::errc::io_error}) {
    create(65536, kMebibyte);
    ServedImage image(1, "qcow2", options_);
    int punches = 0;
    bool fails = true;
    behaviour(image).fault = [&](const FileOperation& operation) {
      if (operation.kind != FileOperation::Kind::discard) return Error();
      ++punches;
      return fails ? std::make_error_code(reason) : Error();
    };
    ASSERT_FALSE(image.write(0, std::string(kMebibyte, 'w')));
    ASSERT_FALSE(image.discard(0, kMebibyte / 2));
    ASSERT_FALSE(image.flush());
    image.world().run_until_idle();
    EXPECT_GT(punches, 0);
    fails = false;
    punches = 0;
    ASSERT_FALSE(image.discard(kMebibyte / 2, kMebibyte / 2));
    ASSERT_FALSE(image.flush());
    image.world().run_until_idle();
    EXPECT_GT(punches, 0);
    EXPECT_FALSE(image.close());
    EXPECT_EQ(complaints_of_qemu(options_.path), "");
  }
}

TEST_F(Qcow2Room, AStorageThatCannotPunchIsAskedOnce) {
  create(65536, kMebibyte);
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

/// More free ranges than are remembered: each second cluster is given back and written again.
TEST_F(Qcow2Room, ScatteredClustersThatAreFreedAndWrittenAgainDoNotGrowTheFile) {
  constexpr uint64_t kCluster = 512;
  constexpr uint64_t kClusters = 40000;
  constexpr uint64_t kAtOnce = 2000;
  create(kCluster, kClusters * kCluster);
  ServedImage image(1, "qcow2", options_);
  ASSERT_FALSE(image.write(0, std::string(kClusters * kCluster, 'w')));
  ASSERT_FALSE(image.flush());
  const uint64_t filled = file_bytes();
  std::string again(kCluster, 'a');
  const iovec whole{again.data(), again.size()};
  const auto every_second = [&](const std::function<Task<Error>(Image&, uint64_t)>& act) {
    for (uint64_t first = 0; first < kClusters; first += kAtOnce) {
      std::vector<Request> requests;
      for (uint64_t i = first; i < first + kAtOnce; i += 2) {
        requests.emplace_back([&, i](Image& served) { return act(served, i * kCluster); });
      }
      perform_all(image, requests);
    }
    ASSERT_FALSE(image.flush());
    ASSERT_FALSE(image.flush());
    image.world().run_until_idle();
  };
  for (int cycle = 0; cycle < 2; ++cycle) {
    every_second([&](Image& served, uint64_t at) { return served.discard(at, kCluster); });
    every_second([&](Image& served, uint64_t at) { return served.write(at, {&whole, 1}); });
  }
  EXPECT_LE(file_bytes(), filled + 64 * kCluster);
  EXPECT_FALSE(image.close());
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
}

}  // namespace
}  // namespace tapring
