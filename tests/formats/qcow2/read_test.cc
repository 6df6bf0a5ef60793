// SPDX-License-Identifier: MIT
// Images that QEMU made, as our driver reads them.
#include <gtest/gtest.h>

#include <string>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/drawn_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

std::string content_of(uint64_t seed, const std::string& path, uint64_t map_cache_bytes = 0) {
  ImageOptions options;
  options.path = path;
  options.read_only = true;
  options.map_cache_bytes = map_cache_bytes;
  ServedImage image(seed, "qcow2", options);
  const Result<std::string> content = image.content();
  EXPECT_FALSE(image.close());
  return content ? *content : content.error().message();
}

class Qcow2Read : public testing::TestWithParam<unsigned> {
 protected:
  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Shapes, Qcow2Read, testing::Range(1U, 40U, 2U));

TEST_P(Qcow2Read, ReadsWhatQemuReads) {
  const DrawnImage image = make_chain(directory_.path(), draw_chain(GetParam(), random_), random_);
  SCOPED_TRACE(image.text);
  // EXPECT_EQ would print both.
  const std::string by_qemu = content_by_qemu(image.path);
  EXPECT_TRUE(content_of(GetParam(), image.path) == by_qemu);
  EXPECT_TRUE(content_of(GetParam(), image.path, 1) == by_qemu) << "with a cache of one slice";
  for (const std::string& snapshot : image.snapshots) {
    EXPECT_TRUE(content_of(GetParam(), image.path.string() + '@' + snapshot) ==
                content_by_qemu(image.path, "-l " + snapshot));
  }
}

}  // namespace
}  // namespace tapring
