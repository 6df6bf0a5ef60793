// SPDX-License-Identifier: MIT
// The power goes, or the process, in the middle of requests that overlap, on storage that may fail:
// what is left must be an image in which nothing is wrong but leaked clusters, with everything that
// was promised.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/cut_images.h"
#include "tests/formats/image_life.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

class ImageCut : public testing::TestWithParam<unsigned> {
 protected:
  /// What a life leaves is the next one's image: leaks, too, are lived with.
  void live_through(const std::string& format, const std::vector<End>& ends, double faults = 0) {
    const CutImage image(directory_.path(), format, GetParam(), random_);
    SCOPED_TRACE(image.text());
    LifePlan plan;
    plan.format = format;
    plan.options.path = image.path();
    plan.options.backing_formats = image.backing_formats();
    plan.seed = random_.next();
    plan.end_seed = random_.next();
    plan.ends = ends;
    plan.faults = faults;
    plan.most_requests = 50;
    plan.judge = [&] {
      return image.spoiled() + (format == "qcow2" ? damage_by_qemu(image.path()) : "");
    };
    try {
      const LifeFigures figures = live(plan, image.content());
      EXPECT_TRUE(figures.content == content_by_qemu(image.path(), "", format));
    } catch (const std::runtime_error& error) {
      ADD_FAILURE() << error.what();
    }
  }

  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam() + 5000};
};

INSTANTIATE_TEST_SUITE_P(Shapes, ImageCut, testing::Range(0U, 39U, 5U));

TEST_P(ImageCut, OfThePowerLosesNothingThatWasFlushed) {
  live_through("qcow2", std::vector<End>(8, End::power));
}

TEST_P(ImageCut, OfTheProcessLosesNothingThatWasDone) {
  live_through("qcow2", std::vector<End>(4, End::kill));
}

TEST_P(ImageCut, OfThePowerLeavesAQcowInOrder) {
  live_through("qcow", std::vector<End>(4, End::power));
}

TEST_P(ImageCut, OfTheProcessLeavesAQcowInOrder) {
  live_through("qcow", std::vector<End>(2, End::kill));
}

TEST_P(ImageCut, OfAnImageOnFailingStorageLosesNothingThatWasPromised) {
  live_through("qcow2", {End::power, End::close, End::kill, End::close}, 0.05);
}

TEST_P(ImageCut, OfAQcowOnFailingStorageLosesNothingThatWasPromised) {
  live_through("qcow", {End::kill, End::close, End::power}, 0.05);
}

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
