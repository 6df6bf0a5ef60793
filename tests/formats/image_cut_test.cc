// SPDX-License-Identifier: MIT
// The power goes, or the process, in the middle of writes: what is left must be an image in which
// qemu-img finds leaked clusters at most, with everything that was promised.
#include <gtest/gtest.h>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/cut_images.h"
#include "tests/formats/cut_workload.h"
#include "tests/formats/qcow_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

class ImageCut : public testing::TestWithParam<unsigned> {
 protected:
  /// Of each cut what is left is the next one's image: leaks, too, are lived with.
  void cut_and_judge(const std::string& format, Cut cut, int times) {
    const CutImage image(directory_.path(), format, GetParam(), random_);
    SCOPED_TRACE(image.text());
    std::string content = image.content();
    for (int i = 0; i < times && !HasFailure(); ++i) {
      Workload workload{format, {}, random_.next()};
      workload.options.path = image.path();
      workload.options.backing_formats = image.backing_formats();
      const Promises promises = run_until_cut(workload, content, cut, random_.next());
      content = content_by_qemu(image.path(), "", format);
      EXPECT_EQ(promises.broken_by(content), "");
      const Result<std::string> by_driver = content_by_driver(workload);
      EXPECT_TRUE(by_driver && *by_driver == content);
      EXPECT_EQ(format == "qcow" ? damage_of_qcow(image.path()) : damage_by_qemu(image.path()), "");
    }
  }

  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam() + 5000};
};

INSTANTIATE_TEST_SUITE_P(Shapes, ImageCut, testing::Range(0U, 39U, 3U));

TEST_P(ImageCut, OfThePowerLosesNothingThatWasFlushed) { cut_and_judge("qcow2", Cut::power, 8); }

TEST_P(ImageCut, OfTheProcessLosesNothingThatWasDone) { cut_and_judge("qcow2", Cut::process, 4); }

TEST_P(ImageCut, OfThePowerLeavesAQcowInOrder) { cut_and_judge("qcow", Cut::power, 4); }

TEST_P(ImageCut, OfTheProcessLeavesAQcowInOrder) { cut_and_judge("qcow", Cut::process, 2); }

/// With nothing else in between, which might write the map as well.
TEST_P(ImageCut, OfThePowerRightAfterAFlushLosesNothing) {
  const CutImage made(directory_.path(), "qcow2", GetParam(), random_);
  SCOPED_TRACE(made.text());
  const std::string data(4096, 'f');
  ImageOptions options;
  options.path = made.path();
  for (int i = 0; i < 8; ++i) {
    made.restore();
    const uint64_t offset = random_.below((made.content().size() - data.size()) / 512) * 512;
    {
      ServedImage image(random_.next(), "qcow2", options);
      image.storage().make_losable(options.path);
      image.storage().make_losable(options.path + ".data");
      EXPECT_FALSE(image.write(offset, data));
      EXPECT_FALSE(image.flush());
      image.storage().power_off();
      EXPECT_TRUE(image.close());
      image.storage().power_on();
    }
    EXPECT_TRUE(content_by_qemu(made.path()).substr(offset, data.size()) == data) << offset;
  }
}

}  // namespace
}  // namespace tapring
