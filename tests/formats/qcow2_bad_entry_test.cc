// SPDX-License-Identifier: MIT
// Images whose tables have entries that cannot be, or that claim what is not theirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "formats/image_file.h"
#include "formats/qcow2/check.h"
#include "tests/formats/hostile_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

/// Of an image whose L2 table begins with such an entry. In the fourth cluster is the L1 table, in
/// the fifth the L2 table, then come two of data.
class Qcow2BadEntry : public HostileImage, public testing::WithParamInterface<std::string> {
 protected:
  static constexpr uint64_t kCluster = 65536;
  static constexpr uint64_t kL1 = 3 * kCluster;
  static constexpr uint64_t kL2 = 4 * kCluster;

  std::filesystem::path image_with(uint64_t entry_at, const std::string& entry) {
    const auto path = create("image", "");
    run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -P 9 0 128k' " +
                shell_quoted(path.string()));
    patch(path, entry_at, entry);
    return path;
  }
};

INSTANTIATE_TEST_SUITE_P(
    ThatLeadsToTheL1Table, Qcow2BadEntry,
    testing::Values("\x80\0\0\0\0\x03\0\0"s, "\0\0\0\0\0\x03\0\0"s,
                    "\0\0\0\0\0\x03\0\x01"s, "\x40\0\0\0\0\x03\0\0"s));

/// The cluster would be given back, and its table with it.
TEST_P(Qcow2BadEntry, CostsNoTable) {
  for (const bool discards : {false, true}) {
    const auto path = image_with(kL2, GetParam());
    const std::string before = bytes_of_file(path).substr(kL1, kCluster);
    ImageOptions options;
    options.path = path;
    {
      ServedImage image(1, "qcow2", options);
      EXPECT_TRUE(discards ? image.discard(0, kCluster)
                           : image.write(0, std::string(kCluster, 'w')));
      EXPECT_TRUE(image.write(kCluster, std::string(512, 'w'))) << "although that would be well";
      EXPECT_FALSE(image.close());
    }
    EXPECT_EQ(bytes_of_file(path).substr(kL1, kCluster), before);
    EXPECT_THAT(refusal(options), HasSubstr("is marked as corrupt"));
    std::filesystem::remove(path);
  }
}

TEST_F(Qcow2BadEntry, ThatIsInvalidIsNotOverwrittenWithOthers) {
  const auto path = image_with(kL2, "\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\x02\0"s);
  const std::string before = bytes_of_file(path).substr(kL2 + 8, 8);
  ImageOptions options;
  options.path = path;
  ServedImage image(1, "qcow2", options);
  EXPECT_TRUE(image.write(0, std::string(2 * kCluster, 'w')));
  EXPECT_FALSE(image.close());
  EXPECT_EQ(bytes_of_file(path).substr(kL2 + 8, 8), before);
}

/// Of an image whose second L1 entry is marked as the only one of its L2 table, and has none: the
/// table would be at byte 0, where the header is.
class Qcow2OwnNothing : public HostileImage {
 protected:
  static constexpr uint64_t kCluster = 4096;
  static constexpr uint64_t kL1 = 3 * kCluster;
  static constexpr uint64_t kSecondTable = uint64_t{2} << 20;  // of the guest's disk

  void make(const std::string& more) {
    options_.path = create("image", "-o cluster_size=4k " + more);
    patch(options_.path, kL1 + 8, "\x80\0\0\0\0\0\0\0"s);
  }

  /// The header, the refcount table, and the first refcount block.
  std::string begin_of_file() const { return bytes_of_file(options_.path).substr(0, kCluster); }

  ImageOptions options_;
};

TEST_F(Qcow2OwnNothing, IsWrittenToATableOfItsOwn) {
  make("");
  const std::string before = begin_of_file();
  {
    ServedImage image(1, "qcow2", options_);
    EXPECT_FALSE(image.write(kSecondTable, std::string(kCluster, 'w')));
    EXPECT_FALSE(image.close());
  }
  EXPECT_TRUE(begin_of_file() == before);
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
  const std::string content = content_by_qemu(options_.path);
  EXPECT_EQ(content.substr(kSecondTable, kCluster), std::string(kCluster, 'w'));
}

TEST_F(Qcow2OwnNothing, IsDiscardedWithoutTouchingTheHeader) {
  run_command("qemu-img create -q -f raw " +
              shell_quoted((directory_.path() / "base").string()) + " 4M");
  make("-b base -F raw");
  const std::string before = begin_of_file();
  ServedImage image(1, "qcow2", options_);
  EXPECT_FALSE(image.discard(kSecondTable, kCluster));
  EXPECT_FALSE(image.close());
  EXPECT_TRUE(begin_of_file() == before);
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
}

TEST_F(Qcow2OwnNothing, IsFoundAndMended) {
  make("");
  OpenFile file = open_file(image_file(options_, options_.path, Caching::page_cache));
  EXPECT_THAT(qcow2::check_image(file, {}).findings.texts(),
              testing::ElementsAre("corruption: entry 1 of the L1 table is marked as the only one "
                                   "of its L2 table, and has none"));
  qcow2::FileWriter writer(file);
  EXPECT_EQ(qcow2::repair_image(file, qcow2::Repair::all, writer, {}).findings.corruptions(), 0U);
  EXPECT_EQ(bytes_of_file(options_.path).substr(kL1 + 8, 8), std::string(8, '\0'));
}

/// The snapshot has the table and its clusters too, whatever a flag in it says.
TEST_F(Qcow2BadEntry, ASnapshotKeepsItsDataThoughAnEntryClaimsTheCluster) {
  const auto path = create("image", "");
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -P 9 0 128k' " +
              shell_quoted(path.string()));
  run_command("qemu-img snapshot -c old " + shell_quoted(path.string()));
  const std::string before = content_by_qemu(path, "-l old");
  patch(path, 0x40000, "\x80");
  ImageOptions options;
  options.path = path;
  ServedImage image(1, "qcow2", options);
  EXPECT_FALSE(image.write(512, std::string(512, 'w')));
  EXPECT_FALSE(image.close());
  EXPECT_TRUE(content_by_qemu(path, "-l old") == before);
  EXPECT_EQ(complaints_of_qemu(path), "");
}

TEST_F(Qcow2BadEntry, AWriteIntoATableMarksTheImageAsCorruptAndIsTheLast) {
  const auto path = create("image", "");
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -P 9 0 128k' " +
              shell_quoted(path.string()));
  // The first entry of the L2 table, which is in the fifth cluster, leads to the L1 table.
  patch(path, 0x40000, "\x80\0\0\0\0\x03\0\0"s);
  ImageOptions options;
  options.path = path;
  {
    ServedImage image(1, "qcow2", options);
    EXPECT_TRUE(image.write(0, std::string(512, 'w')));
    EXPECT_TRUE(image.write(65536, std::string(512, 'w'))) << "although that would be well";
    EXPECT_FALSE(image.close());
  }
  EXPECT_THAT(refusal(options), HasSubstr("is marked as corrupt"));
  EXPECT_EQ(refusal(read_only(path)), "");
}

}  // namespace
}  // namespace tapring
