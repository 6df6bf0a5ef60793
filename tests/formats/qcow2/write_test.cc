// SPDX-License-Identifier: MIT
// Images of every shape, written by our driver and judged by QEMU, and the other way round.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/drawn_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/random_writes.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

class Qcow2Write : public testing::TestWithParam<unsigned> {
 protected:
  /// What our driver leaves behind after random writes must be what QEMU reads, and in order.
  void write_and_judge(const std::filesystem::path& path, std::string& content) {
    ImageOptions options;
    options.path = path;
    options.map_cache_bytes = random_.chance(0.3) ? 1 : 0;
    ServedImage image(random_.next(), "qcow2", options);
    write_at_random(image, random_, content, 12);
    const Result<std::string> read = image.content();
    EXPECT_TRUE(read && *read == content) << "read by the one who wrote it";
    EXPECT_FALSE(image.close());
    EXPECT_TRUE(content_by_qemu(path) == content) << "read by QEMU";
    EXPECT_EQ(complaints_of_qemu(path), "");
  }

  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam() + 1000};
};

INSTANTIATE_TEST_SUITE_P(Shapes, Qcow2Write, testing::Range(0U, 39U, 2U));

TEST_P(Qcow2Write, LeavesWhatQemuReads) {
  const std::vector<Shape> shapes = draw_chain(GetParam(), random_);
  const DrawnImage image = make_chain(directory_.path(), shapes, random_);
  SCOPED_TRACE(image.text);
  std::vector<std::string> of_snapshots;
  for (const std::string& snapshot : image.snapshots) {
    of_snapshots.push_back(content_by_qemu(image.path, "-l " + snapshot));
  }
  const std::string base_before = bytes_of_file(image.base);
  std::string content = content_by_qemu(image.path);
  ASSERT_EQ(complaints_of_qemu(image.path), "") << "as QEMU made it";
  write_and_judge(image.path, content);
  write_by_qemu(image.path, shapes.back(), content.size(), 10, random_, "qcow2");
  content = content_by_qemu(image.path);
  write_and_judge(image.path, content);
  for (std::size_t i = 0; i < of_snapshots.size(); ++i) {
    EXPECT_TRUE(content_by_qemu(image.path, "-l " + image.snapshots[i]) == of_snapshots[i]);
  }
  if (shapes.size() > 1) {
    EXPECT_TRUE(bytes_of_file(image.base) == base_before);
  }
}

/// A refcount table of one cluster counts 2 MiB here, and has to make way for larger ones.
/// At last it has eight clusters; each image that is opened anew finds it as large as it is then.
TEST(Qcow2Growth, TheRefcountTableGrows) {
  const TemporaryDirectory directory(memory_directory());
  ImageOptions options;
  options.path = directory.path() / "image";
  run_command("qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 " +
              shell_quoted(options.path) + " 9M");
  constexpr uint64_t kPiece = uint64_t{256} << 10;
  constexpr uint64_t kPieces = 36;
  std::string content;
  for (uint64_t opened = 0; opened < kPieces; opened += 6) {
    ServedImage image(1, "qcow2", options);
    for (uint64_t i = opened; i < opened + 6; ++i) {
      const std::string piece(kPiece, static_cast<char>('a' + i % 26));
      ASSERT_FALSE(image.write(content.size(), piece)) << i;
      content += piece;
    }
    EXPECT_FALSE(image.close());
  }
  EXPECT_TRUE(content_by_qemu(options.path) == content);
  EXPECT_EQ(complaints_of_qemu(options.path), "");
}

/// Writes side by side get clusters side by side: QEMU sees one extent.
TEST(Qcow2Growth, NeighboursAreContiguous) {
  const TemporaryDirectory directory(memory_directory());
  ImageOptions options;
  options.path = directory.path() / "image";
  run_command("qemu-img create -q -f qcow2 " + shell_quoted(options.path) + " 16M");
  {
    ServedImage image(1, "qcow2", options);
    for (uint64_t at = 0; at < image.geometry().size_bytes; at += 131072) {
      ASSERT_FALSE(image.write(at, std::string(131072, 'x')));
    }
    EXPECT_FALSE(image.close());
  }
  const std::string map =
      run_command("qemu-img map --output=json -f qcow2 " + shell_quoted(options.path));
  EXPECT_EQ(std::ranges::count(map, '{'), 1) << map;
}

/// Of a disk of which nothing is allocated a discard waits for nothing, but passes many tables.
TEST(Qcow2Discard, OfAWholeDiskLetsOthersIn) {
  const TemporaryDirectory directory(memory_directory());
  ImageOptions options;
  options.path = directory.path() / "image";
  run_command("qemu-img create -q -f qcow2 -o cluster_size=512 " + shell_quoted(options.path) +
              " 1G");
  ServedImage image(1, "qcow2", options);
  const uint64_t bytes = image.geometry().size_bytes;
  ASSERT_FALSE(image.discard(0, 512)) << "the first change";
  bool discarded = false;
  bool others_were_in = false;
  image.run([&](Image& served, std::function<void()> done) -> Detached {
    image.loop().post([&] { others_were_in = !discarded; });
    const Error error = co_await served.discard(0, bytes);
    EXPECT_FALSE(error);
    discarded = true;
    done();
  });
  EXPECT_TRUE(others_were_in);
  EXPECT_FALSE(image.close());
}

}  // namespace
}  // namespace tapring
