// SPDX-License-Identifier: MIT
// Images of the format qcow, version 1: what QEMU writes and our driver reads, and the other way
// round.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "formats/format.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/drawn_image.h"
#include "tests/formats/qcow/qcow_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/random_writes.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

constexpr uint64_t kBytes = uint64_t{1} << 20;

std::string by_qemu(const std::filesystem::path& path) {
  return content_by_qemu(path, "", "qcow");
}

class Qcow : public testing::Test {
 protected:
  std::filesystem::path path(const std::string& name) const { return directory_.path() / name; }

  static ImageOptions options(const std::filesystem::path& path,
                              std::vector<std::string> backing_formats = {}) {
    ImageOptions options;
    options.path = path;
    options.backing_formats = std::move(backing_formats);
    return options;
  }

  /// Why the driver refuses it; empty if it does not.
  static std::string refusal(const ImageOptions& options) {
    try {
      find_format("qcow")->open(options);
    } catch (const std::system_error& error) {
      return error.what();
    }
    return {};
  }

  void write_some(const std::filesystem::path& path, const std::string& format, uint64_t seed) {
    const auto pattern = directory_.path() / "pattern";
    sim::Random random(seed);
    write_pattern(pattern, random);
    std::string command = "qemu-io -t unsafe -f " + format;
    for (int i = 0; i < 6; ++i) {
      command += " -c 'write -q -s " + pattern.string() + ' ' +
                 std::to_string(random.below(kBytes / 512 - 200) * 512) + ' ' +
                 std::to_string(random.between(1, 200) * 512) + "'";
    }
    run_command(command + ' ' + shell_quoted(path.string()));
  }

  /// What our driver leaves behind after random writes must be what QEMU reads, and in order.
  void write_and_judge(
      const ImageOptions& options, std::string& content, uint64_t seed,
      const std::function<void()>& for_qemu = [] {}) {
    sim::Random random(seed);
    ServedImage image(seed, "qcow", options);
    const Result<std::string> before = image.content();
    EXPECT_TRUE(before && *before == content) << "before any write";
    write_at_random(image, random, content, 10);
    const Result<std::string> read = image.content();
    EXPECT_TRUE(read && *read == content) << "read by the one who wrote it";
    EXPECT_FALSE(image.close());
    for_qemu();
    EXPECT_TRUE(by_qemu(options.path) == content) << "read by QEMU";
    EXPECT_EQ(damage_of_qcow(options.path), "");
  }

  TemporaryDirectory directory_{memory_directory()};
};

const QcowShape kShapes[] = {
    {.cluster_bits = 9, .l2_bits = 6, .size_bytes = kBytes},
    {.cluster_bits = 9, .l2_bits = 12, .size_bytes = kBytes},
    {.cluster_bits = 12, .l2_bits = 9, .size_bytes = kBytes + 512},
    {.cluster_bits = 12, .l2_bits = 6, .size_bytes = kBytes, .by_blktap = true},
    {.cluster_bits = 11,
     .l2_bits = 6,
     .size_bytes = kBytes,
     .by_blktap = true,
     .first_table_filled = true},
    {.cluster_bits = 16, .l2_bits = 6, .size_bytes = kBytes + 3 * 512},
    {.cluster_bits = 14, .l2_bits = 13, .size_bytes = kBytes, .by_blktap = true},
};

class QcowShapes : public Qcow, public testing::WithParamInterface<QcowShape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, QcowShapes, testing::ValuesIn(kShapes));

TEST_P(QcowShapes, AreReadAndWrittenInTurnsWithQemu) {
  SCOPED_TRACE(GetParam().text());
  const auto image = path("image");
  make_qcow(image, GetParam());
  for (uint64_t seed = 0; seed < 3; ++seed) {
    write_some(image, "qcow", seed);
    std::string content = by_qemu(image);
    ImageOptions with_cache = options(image);
    with_cache.map_cache_bytes = seed % 2;
    write_and_judge(with_cache, content, seed);
  }
}

TEST_P(QcowShapes, HideTheirBackingFile) {
  for (const char* format : {"raw", "qcow", "qcow2"}) {
    SCOPED_TRACE(GetParam().text() + " on " + format);
    const auto base = path("base"s + format);
    run_command("qemu-img create -q -f "s + format + ' ' + shell_quoted(base.string()) + " 1040k");
    write_some(base, format, 5);
    const auto image = path("image");
    QcowShape shape = GetParam();
    shape.backing_name = base.filename();
    shape.first_table_filled = false;  // such clusters would be all zeros
    make_qcow(image, shape);
    std::string content = by_qemu(image);
    write_and_judge(options(image, {format}), content, 7);
  }
}

/// By qemu-io: QEMU 7.2 fails to convert with -c.
TEST_P(QcowShapes, CompressedClustersAreReadAndReplaced) {
  const auto image = path("image");
  QcowShape shape = GetParam();
  shape.first_table_filled = false;
  make_qcow(image, shape);
  for (uint64_t seed = 0; seed < 2; ++seed) {
    sim::Random random(seed);
    write_pattern(path("pattern"), random);
    std::string command = "qemu-io -t unsafe -f qcow";
    for (uint64_t cluster = 0; cluster < 15; cluster += random.between(1, 3)) {
      command += " -c 'write -q -c -s " + path("pattern").string() + ' ' +
                 std::to_string(cluster << shape.cluster_bits) + ' ' +
                 std::to_string(1U << shape.cluster_bits) + "'";
    }
    // QEMU does not compress into a cluster that it has already.
    run_command(command + ' ' + shell_quoted(image.string()) + " || true");
    std::string content = by_qemu(image);
    write_and_judge(options(image), content, seed);
  }
}

TEST_F(Qcow, TheL1TableOfOldBlktapIsInTheOrderOfItsMachine) {
  const auto image = path("image");
  make_qcow(image, {.cluster_bits = 9, .l2_bits = 6, .size_bytes = kBytes, .by_blktap = true});
  write_some(image, "qcow", 3);
  std::string content = by_qemu(image);
  swap_l1_order(image);
  write_and_judge(options(image), content, 3, [&] { swap_l1_order(image); });
}

TEST_F(Qcow, ABackingFileOfUnstatedFormatIsRefused) {
  const auto base = path("base");
  run_command("truncate -s 1M " + shell_quoted(base.string()));
  const auto image = path("image");
  make_qcow(image, {.size_bytes = kBytes, .backing_name = "base"});
  EXPECT_THAT(refusal(options(image)), HasSubstr("qcow:" + image.string() + "@raw"));
  EXPECT_EQ(refusal(options(image.string() + "@raw")), "");
  EXPECT_THAT(refusal(options(image.string() + "@qcow")), HasSubstr("is no qcow image"));
  EXPECT_THAT(refusal(options(image.string() + "@vmdk")), HasSubstr("no driver for the format"));
}

TEST_F(Qcow, EachFormatOfAChainIsStated) {
  run_command("truncate -s 1M " + shell_quoted(path("base").string()));
  make_qcow(path("middle"), {.size_bytes = kBytes, .backing_name = "base"});
  make_qcow(path("top"), {.size_bytes = kBytes, .backing_name = "middle"});
  const std::string top = path("top").string();
  EXPECT_THAT(refusal(options(top + "@qcow")), HasSubstr("qcow:" + path("middle").string()));
  EXPECT_EQ(refusal(options(top + "@qcow@raw")), "");
}

TEST_F(Qcow, AChainThatLeadsBackIsRefused) {
  make_qcow(path("first"), {.size_bytes = kBytes, .backing_name = "second"});
  make_qcow(path("second"), {.size_bytes = kBytes, .backing_name = "first"});
  EXPECT_THAT(refusal(options(path("first").string() + "@qcow@qcow@qcow")),
              HasSubstr("lead back to"));
}

TEST_F(Qcow, ABackingFileOutsideTheAllowedDirectoriesIsRefused) {
  const TemporaryDirectory outside(memory_directory());
  run_command("truncate -s 1M " + shell_quoted((outside.path() / "secret").string()));
  make_qcow(path("image"),
            {.size_bytes = kBytes, .backing_name = (outside.path() / "secret").string()});
  ImageOptions restricted = options(path("image"), {"raw"});
  EXPECT_EQ(refusal(restricted), "");
  restricted.files.directories = {directory_.path()};
  EXPECT_THAT(refusal(restricted), HasSubstr("is not in a directory where images may live"));
}

}  // namespace
}  // namespace tapring
