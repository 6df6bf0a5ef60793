// SPDX-License-Identifier: MIT
// An image that was not closed is repaired when its disk is opened, in a line of its own.
#include <filesystem>
#include <fstream>

#include "daemon/vbd/open_disk.h"
#include "tests/daemon/vbd/host_test.h"
#include "tests/sim/qcow2_image.h"

namespace tapring {
namespace {

class RepairedImage : public HostTest {
 protected:
  RepairedImage() {
    sim::make_qcow2(image_, {.disk_bytes = kImageBytes});
    std::fstream file(image_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(kDirtyAt);
    file.put(1);
  }

  bool dirty() const {
    std::ifstream file(image_, std::ios::binary);
    file.seekg(kDirtyAt);
    return file.get() == 1;
  }

  static constexpr std::streamoff kDirtyAt = 72 + 7;  ///< the last byte of incompatible_features
  const std::string image_ = host_.make_image("a.qcow2", 0);
};

INSTANTIATE_TEST_SUITE_P(Seeds, RepairedImage, testing::ValuesIn(sim::seeds(2)));

TEST_P(RepairedImage, IsServed) {
  const DiskLine disk{.name = {.domain = 1},
                      .params = "qcow2:" + image_,
                      .script = "/etc/xen/scripts/block-tapring"};
  SimFrontend& frontend = attach_and_connect(disk);
  EXPECT_FALSE(dirty());
  expect_served(frontend, {.requests = 50});
  expect_detached(disk);
}

TEST_P(RepairedImage, IsNotMendedAmongOtherOpenings) {
  OpenRequest request{{"qcow2", image_}, "w", Purpose::service, "vbd-1-51712"};
  EXPECT_THROW(open_disk(request, {}), NeedsRepair);
  EXPECT_TRUE(dirty());
  request.may_repair = true;
  open_disk(request, {});
}

}  // namespace
}  // namespace tapring
