// SPDX-License-Identifier: MIT
// What small files may cost whoever opens them: as much as the storage holds of them, about.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "formats/format.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/header.h"
#include "tests/formats/hostile_image.h"
#include "tests/formats/peak_memory.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;
using qcow2::EntryBits;
using testing::HasSubstr;

constexpr uint64_t kMebibyte = uint64_t{1} << 20;
constexpr uint64_t kCluster = uint64_t{64} << 10;
constexpr uint64_t kL1At = 4 * kMebibyte;  ///< where this test puts tables
constexpr uint32_t kMostEntries = 4U << 20;

std::string words(const std::vector<uint64_t>& values) {
  std::string bytes(values.size() * 8, '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    qcow2::store(std::as_writable_bytes(std::span(bytes)), i * 8, values[i]);
  }
  return bytes;
}

uint64_t allocated(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

class Qcow2Memory : public HostileImage {
 protected:
  /// An L1 table of so many entries, in a hole, for a disk of so many bytes.
  void place_l1(const fs::path& path, uint32_t entries, uint64_t disk_bytes) {
    fs::resize_file(path, kL1At + uint64_t{entries} * 8);
    patch(path, 24, words({disk_bytes}));
    patch(path, qcow2::Header::kL1EntriesAt, words({uint64_t{entries} << 32 | kL1At >> 32}));
    patch(path, qcow2::Header::kL1OffsetAt, words({kL1At}));
  }

  /// Images of the largest disk, the first the lowest; the path of the highest.
  fs::path make_chain(int images, uint64_t step) {
    fs::path path;
    for (int i = 0; i < images; ++i) {
      const std::string below = i == 0 ? "" : "-u -F qcow2 -b " + path.string();
      path = create(fmt::format("image-{:03}", i), below);
      place_l1(path, kMostEntries, uint64_t{kMostEntries} << 29);
      if (step > 0) fill_l1(path, step);
    }
    return path;
  }

  /// Each `step`th entry leads to a table, all in a hole of the file.
  void fill_l1(const fs::path& path, uint64_t step) {
    const uint64_t tables = kL1At + 32 * kMebibyte;
    std::string l1(uint64_t{kMostEntries} * 8, '\0');
    for (uint64_t i = 0; i < kMostEntries; i += step) {
      qcow2::store(std::as_writable_bytes(std::span(l1)), i * 8,
                   (tables + i / step * kCluster) | EntryBits::kCopied);
    }
    patch(path, kL1At, l1);
    fs::resize_file(path, tables + kMostEntries / step * kCluster);
  }
};

TEST_F(Qcow2Memory, OfLongL1TablesTakesNoneForTheirHoles) {
  const fs::path path = make_chain(20, 0);
  const PeakMemory peak;
  const auto image = find_format("qcow2")->open(read_only(path));
  EXPECT_LT(peak.bytes(), 4 * kMebibyte);
  EXPECT_LT(image->table_bytes(), 4 * kMebibyte);
}

TEST_F(Qcow2Memory, OfAnL1TableThatIsLongerThanTheDiskTakesThatOfTheDisk) {
  const fs::path path = create("long", "");
  place_l1(path, kMostEntries, 4 * kMebibyte);
  fill_l1(path, 512);
  EXPECT_LT(find_format("qcow2")->open(read_only(path))->table_bytes(), kMebibyte);
}

TEST_F(Qcow2Memory, OfAChainIsLimitedTogether) {
  const fs::path path = make_chain(2, 512);
  const std::string reason = refusal(read_only(path));
  EXPECT_THAT(reason, HasSubstr(path.string()));
  EXPECT_THAT(reason, HasSubstr("take 64 MiB"));
  EXPECT_THAT(reason, HasSubstr("qemu-img convert"));
  EXPECT_EQ(refusal(read_only(directory_.path() / "image-000")), "");
}

/// An image that was not closed, of one mebibyte of L2 tables, whose entries are far apart.
TEST_F(Qcow2Memory, OfMendingIsWhatTheFileHas) {
  const fs::path path = create("dirty", "-o lazy_refcounts=on");
  constexpr uint64_t kTables = 16, kEntries = kCluster / 8, kApart = 512;
  place_l1(path, kTables, kTables * kEntries * kCluster);
  std::vector<uint64_t> l1;
  for (uint64_t table = 0; table < kTables; ++table) {
    const uint64_t at = kL1At + (table + 1) * kCluster;
    l1.push_back(at | EntryBits::kCopied);
    std::vector<uint64_t> entries;
    for (uint64_t i = 0; i < kEntries; ++i) {
      const uint64_t cluster = 1024 + (table * kEntries + i) * kApart;
      entries.push_back(cluster * kCluster | EntryBits::kCopied);
    }
    patch(path, at, words(entries));
  }
  patch(path, kL1At, words(l1));
  patch(path, qcow2::Header::kIncompatibleAt, words({qcow2::Feature::kDirty}));
  fs::resize_file(path, (1024 + kTables * kEntries * kApart) * kCluster);
  const uint64_t before = allocated(path);
  ImageOptions options = read_only(path);
  options.read_only = false;
  const PeakMemory peak;
  EXPECT_THAT(refusal(options), HasSubstr("so far apart that their refcounts"));
  EXPECT_LT(peak.bytes(), 24 * kMebibyte);
  EXPECT_LE(allocated(path), before);
  options.may_repair = false;
  EXPECT_THROW(find_format("qcow2")->open(options), NeedsRepair);
}

/// Entries behind the end of the disk share a sector with those of it.
TEST_F(Qcow2Memory, KeepsEntriesOfAnL1TableThatItDoesNotHave) {
  const fs::path path = create("shrunk", "");
  place_l1(path, 64, 4 * kMebibyte);
  const std::string entry = words({(kL1At + kCluster) | EntryBits::kCopied});
  patch(path, kL1At + 8, entry);
  fs::resize_file(path, kL1At + 2 * kCluster);
  ImageOptions options = read_only(path);
  options.read_only = false;
  ServedImage image(1, "qcow2", options);
  EXPECT_FALSE(image.write(0, std::string(4096, 'x')));
  EXPECT_FALSE(image.close());
  EXPECT_EQ(bytes_of_file(path).substr(kL1At + 8, 8), entry);
}

}  // namespace
}  // namespace tapring
