// SPDX-License-Identifier: MIT
// Images whose tables have entries that cannot be, or that claim what is not theirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "formats/image_file.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/offline/check.h"
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

INSTANTIATE_TEST_SUITE_P(ThatLeadsToTheL1Table, Qcow2BadEntry,
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
  run_command("qemu-img create -q -f raw " + shell_quoted((directory_.path() / "base").string()) +
              " 4M");
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
  EXPECT_EQ(qcow2::repair_image(file, Repair::all, writer, {}).findings.corruptions(), 0U);
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

/// Words of tables are forged: flags without offsets, and offsets of other tables.
class Qcow2Forged : public HostileImage, public testing::WithParamInterface<uint64_t> {
 protected:
  static constexpr uint64_t kSectorBytes = 512;

  void forge(const std::filesystem::path& path, uint64_t cluster, sim::Random& random) {
    const std::string bytes = bytes_of_file(path);
    const std::span all = std::as_bytes(std::span(bytes));
    const auto l1 = qcow2::load<uint64_t>(all, 40);
    std::vector<uint64_t> tables{l1};
    for (uint64_t i = 0; i < qcow2::load<uint32_t>(all, 36); ++i) {
      const uint64_t l2 = qcow2::load<uint64_t>(all, l1 + i * 8) & qcow2::EntryBits::kOffset;
      if (l2 != 0) tables.push_back(l2);
    }
    for (uint64_t left = random.between(1, 6); left > 0; --left) {
      const uint64_t table = tables[random.chance(0.2) ? 0 : random.below(tables.size())];
      const uint64_t entries = table == l1 ? qcow2::load<uint32_t>(all, 36) : cluster / 8;
      patch(path, table + random.below(std::min<uint64_t>(entries, 24)) * 8,
            forged_word(bytes.size() / cluster, cluster, random));
    }
  }

  /// Big-endian.
  static std::string forged_word(uint64_t clusters, uint64_t cluster, sim::Random& random) {
    uint64_t word = random.chance(0.4) ? 0 : random.below(clusters + 2) * cluster;
    if (random.chance(0.1)) word += kSectorBytes;
    if (random.chance(0.6)) word |= qcow2::EntryBits::kCopied;
    if (random.chance(0.2)) word |= qcow2::EntryBits::kCompressed;
    if (random.chance(0.2)) word |= qcow2::EntryBits::kZero;
    std::string bytes(8, '\0');
    qcow2::store(std::as_writable_bytes(std::span(bytes)), 0, word);
    return bytes;
  }

  /// Clusters of the header, the L1 table, the refcount table and its blocks.
  static std::vector<uint64_t> tables_of(const std::string& bytes, uint64_t cluster) {
    const std::span all = std::as_bytes(std::span(bytes));
    std::vector<uint64_t> tables{0};
    const auto l1 = qcow2::load<uint64_t>(all, 40);
    for (uint64_t at = 0; at < qcow2::load<uint32_t>(all, 36) * 8; at += cluster) {
      tables.push_back(l1 + at);
    }
    const auto refcounts = qcow2::load<uint64_t>(all, 48);
    for (uint64_t at = 0; at < qcow2::load<uint32_t>(all, 56) * cluster; at += 8) {
      if (at % cluster == 0) tables.push_back(refcounts + at);
      const auto block = qcow2::load<uint64_t>(all, refcounts + at);
      if (block != 0) tables.push_back(block);
    }
    return tables;
  }

  /// Writes and discards; a write puts down only 'w'.
  static void use(ServedImage& image, sim::Random& random) {
    for (int i = 0; i < 30; ++i) {
      const uint64_t sector = random.below(1024);
      const uint64_t bytes = random.between(1, 64) * kSectorBytes;
      const uint64_t choice = random.below(5);
      if (choice == 0) image.discard(sector * kSectorBytes, bytes);
      if (choice == 1) image.flush();
      if (choice > 1) image.write(sector * kSectorBytes, std::string(bytes, 'w'));
    }
  }

  /// Those of the sectors that tables had before and the guest has now.
  static std::vector<uint64_t> overwritten(const std::string& before, const std::string& now,
                                           const std::vector<uint64_t>& tables, uint64_t cluster) {
    std::vector<uint64_t> sectors;
    for (const uint64_t table : tables) {
      for (uint64_t at = table; at < std::min(table + cluster, before.size()); at += kSectorBytes) {
        if (now.substr(at, kSectorBytes) == std::string(kSectorBytes, 'w')) sectors.push_back(at);
      }
    }
    return sectors;
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, Qcow2Forged, testing::Range(uint64_t{0}, uint64_t{6}));

TEST_P(Qcow2Forged, TablesAreNeverTheGuests) {
  sim::Random random(GetParam() + 300);
  const bool extended = GetParam() % 3 == 2;
  const uint64_t cluster = extended ? 16384 : GetParam() % 3 == 1 ? 4096 : 512;
  const auto original = create("original", "-o cluster_size=" + std::to_string(cluster) +
                                               (extended ? ",extended_l2=on" : ""));
  const std::string quoted = shell_quoted(original.string());
  run_command(
      "qemu-io -t unsafe -f qcow2 -c 'write -q -c -P 7 0 16k' "
      "-c 'write -q -P 9 64k 256k' " +
      quoted);
  if (GetParam() % 2 == 1) run_command("qemu-img snapshot -c old " + quoted);
  const auto path = directory_.path() / "image";
  int used = 0;
  for (int round = 0; round < 60; ++round) {
    std::filesystem::copy_file(original, path, std::filesystem::copy_options::overwrite_existing);
    forge(path, cluster, random);
    ImageOptions options;
    options.path = path;
    if (!refusal(options).empty()) continue;
    ++used;
    const std::string before = bytes_of_file(path);
    const std::vector<uint64_t> tables = tables_of(before, cluster);
    ServedImage image(random.next(), "qcow2", options);
    use(image, random);
    image.close();
    const std::string now = bytes_of_file(path);
    EXPECT_THAT(overwritten(before, now, tables, cluster), testing::IsEmpty());
    // But for the feature bits and where the refcount table is.
    EXPECT_TRUE(now.substr(0, 48) == before.substr(0, 48));
    EXPECT_TRUE(now.substr(96, cluster - 96) == before.substr(96, cluster - 96));
  }
  EXPECT_GT(used, 0);
}

}  // namespace
}  // namespace tapring
