// SPDX-License-Identifier: MIT
// Another file lies under the name of an image when a daemon takes up the disk of a guest.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ReplacedImage : public HostTest {
 protected:
  /// The daemon ends by itself or is killed, by the seed, and another starts after `meanwhile`.
  template <typename Work>
  void restart_after(Work meanwhile) {
    if (GetParam() % 2 == 0) {
      host_.kill();
      meanwhile();
      host_.start();
    } else {
      meanwhile();
      host_.restart();
    }
  }

  bool is_refused() {
    return host_.run_until([&] { return host_.report(disk_.name).state == "refused"; });
  }

  bool is_connected() {
    return host_.run_until([&] { return host_.report(disk_.name).state == "connected"; });
  }

  DiskLine disk_ = line(1, "a.img");
  const std::string away_ = disk_.params + ".away";
};

INSTANTIATE_TEST_SUITE_P(Seeds, ReplacedImage, testing::ValuesIn(sim::seeds(2)));

TEST_P(ReplacedImage, IsRefusedUntouchedUntilTheOldOneIsBack) {
  SimFrontend& frontend = attach_and_connect(disk_);
  expect_served(frontend, {.requests = 50});
  const std::string other = host_.make_image("other.img", kImageBytes);
  std::ofstream(other, std::ios::in | std::ios::out) << "of somebody else";
  const std::string content = bytes_of(other);
  restart_after([&] {
    std::filesystem::rename(disk_.params, away_);
    std::filesystem::rename(other, disk_.params);
  });
  EXPECT_TRUE(is_refused());
  EXPECT_THAT(host_.report(disk_.name).reason,
              HasSubstr(disk_.params + " is another file than the disk of its running guest"));
  host_.world().run_for(11s);
  EXPECT_EQ(host_.backend_state(disk_), 4U);
  EXPECT_EQ(bytes_of(disk_.params), content);
  std::filesystem::rename(away_, disk_.params);
  EXPECT_TRUE(is_connected());
  expect_served(frontend, {.requests = 50});
  expect_detached(disk_);
}

TEST_P(ReplacedImage, IsServedToAGuestThatConnectsAnew) {
  attach_and_connect(disk_);
  expect_detached(disk_);
  std::filesystem::rename(host_.make_image("other.img", kImageBytes / 2), disk_.params);
  expect_served(attach_and_connect(disk_), {.requests = 10});
}

TEST_P(ReplacedImage, ThatShrankIsRefusedUntilItIsLargeAgain) {
  SimFrontend& frontend = attach_and_connect(disk_);
  restart_after([&] { std::filesystem::resize_file(disk_.params, kImageBytes / 2); });
  EXPECT_TRUE(is_refused());
  EXPECT_THAT(host_.report(disk_.name).reason, HasSubstr("make it 8388608 bytes long again"));
  std::filesystem::resize_file(disk_.params, kImageBytes);
  EXPECT_TRUE(is_connected());
  expect_served(frontend, {.requests = 20});
}

TEST_P(ReplacedImage, ThatGrewIsServed) {
  SimFrontend& frontend = attach_and_connect(disk_);
  restart_after([&] { std::filesystem::resize_file(disk_.params, 2 * kImageBytes); });
  EXPECT_TRUE(is_connected());
  expect_served(frontend, {.requests = 20});
}

}  // namespace
}  // namespace tapring
