// SPDX-License-Identifier: MIT
// Persistent bitmaps of QEMU, for its incremental backups: what they say of a disk is so no more
// once we have written to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/format.h"
#include "formats/image_file.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/check.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"
#include "tests/formats/random_writes.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

using namespace std::literals;
using qcow2::load;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kCluster = 4096;
constexpr uint64_t kOffset = 0x00FF'FFFF'FFFF'FE00;

std::span<const std::byte> as_bytes(const std::string& file) {
  return std::as_bytes(std::span(file));
}

/// Of the file, where its bitmaps are: the directory, and of each its table and its clusters.
std::vector<std::pair<uint64_t, uint64_t>> places_of_bitmaps(const std::string& file) {
  const auto bytes = as_bytes(file);
  const auto header = qcow2::parse_header(bytes.first(kCluster));
  if (!header || !header->bitmaps) return {};
  const auto [count, reserved, directory_bytes, directory] = *header->bitmaps;
  std::vector<std::pair<uint64_t, uint64_t>> places{{directory, directory_bytes}};
  uint64_t at = directory;
  for (uint32_t i = 0; i < count; ++i) {
    const auto table = load<uint64_t>(bytes, at);
    const auto entries = load<uint32_t>(bytes, at + 8);
    const uint64_t names = load<uint16_t>(bytes, at + 18) + load<uint32_t>(bytes, at + 20);
    places.emplace_back(table, entries * 8);
    for (uint64_t entry = table; entry < table + entries * 8; entry += 8) {
      const uint64_t cluster = load<uint64_t>(bytes, entry) & kOffset;
      if (cluster != 0) places.emplace_back(cluster, kCluster);
    }
    at += (24 + names + 7) / 8 * 8;
  }
  return places;
}

uint64_t autoclear_of(const std::string& file) {
  return load<uint64_t>(as_bytes(file), qcow2::Header::kAutoclearAt);
}

class Qcow2Bitmap : public testing::Test {
 protected:
  Qcow2Bitmap() {
    options_.path = directory_.path() / "image";
    const std::string image = shell_quoted(options_.path);
    run_command("qemu-img create -q -f qcow2 -o cluster_size=4k " + image + " 2M");
    run_command("qemu-img bitmap --add -g 512 " + image + " first");
    run_command("qemu-img bitmap --add -g 4096 " + image + " second");
    // Of what is written while they are there they take note.
    run_command("qemu-io -f qcow2 -c 'write -q -P 7 0 100k' -c 'write -q -P 8 1M 64k' " + image);
  }

  std::string info() const {
    return run_command("qemu-img info -U -f qcow2 " + shell_quoted(options_.path));
  }

  TemporaryDirectory directory_{memory_directory()};
  ImageOptions options_;
};

/// A change of the bitmaps extension or of the first entry of the directory.
struct BitmapDamage {
  const char* what;
  enum { extension, entry } place;
  uint64_t offset;
  std::string bytes;
};

const BitmapDamage kBitmapDamages[] = {
    {"none", BitmapDamage::extension, 0, "\0\0\0\0"s},
    {"fewer", BitmapDamage::extension, 0, "\0\0\0\x01"s},
    {"more", BitmapDamage::extension, 0, "\0\0\0\x03"s},
    {"reserved", BitmapDamage::extension, 4, "\x01"s},
    {"no_directory", BitmapDamage::extension, 8, "\0\0\0\0\0\0\0\0"s},
    {"no_directory_anywhere", BitmapDamage::extension, 8,
     "\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x02\x01"s},
    {"directory_unaligned", BitmapDamage::extension, 23, "\x08"s},
    {"table_at_0", BitmapDamage::entry, 0, "\0\0\0\0\0\0\0\0"s},
    {"table_beyond_files", BitmapDamage::entry, 0, "\xFF\xFF\xFF\xFF\xFF\xFF\0\0"s},
    {"empty_table", BitmapDamage::entry, 8, "\0\0\0\0"s},
    {"empty_table_anywhere", BitmapDamage::entry, 0, "\0\0\0\x07\0\0\0\x05\0\0\0\0"s},
    {"longer_table", BitmapDamage::entry, 8, "\0\0\0\x02"s},
    {"flags", BitmapDamage::entry, 12, "\0\0\0\x04"s},
    {"type", BitmapDamage::entry, 16, "\x02"s},
    {"granularity", BitmapDamage::entry, 17, "\x08"s},
    {"extra_data", BitmapDamage::entry, 23, "\x08"s},
    // The name of the second, "second".
    {"name_of_the_second", BitmapDamage::entry, 19, "\x06\0\0\0\0second"s},
    {"name_of_the_second_and_zeros", BitmapDamage::entry, 19, "\x08\0\0\0\0second\0\0"s},
};

class Qcow2BitmapDamage : public Qcow2Bitmap, public testing::WithParamInterface<BitmapDamage> {
 protected:
  void damage() {
    const std::string bytes = bytes_of_file(options_.path);
    const auto header = qcow2::parse_header(as_bytes(bytes).first(kCluster));
    constexpr auto kExtension = "\x23\x85\x28\x75\0\0\0\x18"sv;
    const bool of_extension = GetParam().place == BitmapDamage::extension;
    const uint64_t begin = of_extension ? bytes.find(kExtension) + kExtension.size()
                                        : header->bitmaps->directory_offset;
    std::fstream file(options_.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(begin + GetParam().offset));
    file << GetParam().bytes;
  }

  OpenFile file(bool read_only) const {
    ImageOptions options = options_;
    options.read_only = read_only;
    return open_file(image_file(options, options.path, Caching::page_cache));
  }

  uint64_t corruptions() const {
    return qcow2::check_image(file(true), {}).findings.corruptions();
  }
};

INSTANTIATE_TEST_SUITE_P(Fields, Qcow2BitmapDamage, testing::ValuesIn(kBitmapDamages),
                         [](const auto& tested) { return std::string(tested.param.what); });

TEST_P(Qcow2BitmapDamage, IsFoundWhereQemuOpensNoSuchImage) {
  EXPECT_EQ(corruptions(), 0U);
  damage();
  EXPECT_THROW(run_command("qemu-io -f qcow2 -r -c 'read 0 1' " + shell_quoted(options_.path) +
                           " 2>&1"),
               std::runtime_error);
  EXPECT_GT(corruptions(), 0U);
}

TEST_P(Qcow2BitmapDamage, IsToldToAReader) {
  options_.read_only = true;
  const auto notices = [&] { return find_format("qcow2")->open(options_)->notices(); };
  EXPECT_THAT(notices(), Not(Contains(HasSubstr("bitmap"))));
  damage();
  EXPECT_THAT(notices(), Contains(HasSubstr("bitmap")));
}

TEST_P(Qcow2BitmapDamage, IsRepairedByGivingAllUp) {
  const std::string content = content_by_qemu(options_.path);
  damage();
  {
    OpenFile image = file(false);
    const ImageCheck left = qcow2::repair_image(image, Repair::all, {});
    EXPECT_EQ(left.findings.corruptions(), 0U);
    EXPECT_EQ(left.findings.leaks(), 0U) << "their clusters are free";
  }
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
  EXPECT_TRUE(content_by_qemu(options_.path) == content);
  EXPECT_THAT(info(), Not(HasSubstr("name: first")));
}

/// Leaks are freed and refcounts raised without giving anything up.
TEST_F(Qcow2Bitmap, IsKeptByRepairsOfOthers) {
  const std::string before = bytes_of_file(options_.path);
  ImageOptions options = options_;
  OpenFile file = open_file(image_file(options, options.path, Caching::page_cache));
  qcow2::repair_image(file, Repair::all, {});
  EXPECT_TRUE(bytes_of_file(options_.path).starts_with(before));
}

TEST_F(Qcow2Bitmap, IsLeftAsItIsByReading) {
  const std::string before = bytes_of_file(options_.path);
  ASSERT_GE(places_of_bitmaps(before).size(), 5U) << "two tables, and clusters";
  for (const bool read_only : {true, false}) {
    options_.read_only = read_only;
    ServedImage image(1, "qcow2", options_);
    EXPECT_TRUE(image.content());
    EXPECT_FALSE(image.flush());
    EXPECT_FALSE(image.close());
    // To be writable the file may have been made longer, to the end of its last sector.
    EXPECT_TRUE(bytes_of_file(options_.path).starts_with(before));
  }
  EXPECT_THAT(info(), HasSubstr("name: first"));
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
}

TEST_F(Qcow2Bitmap, IsInconsistentAfterAWriteAndNeverOverwritten) {
  const std::string before = bytes_of_file(options_.path);
  std::string content = content_by_qemu(options_.path);
  sim::Random random(1);
  {
    ServedImage image(1, "qcow2", options_);
    ASSERT_FALSE(image.write(0, content.substr(0, 512)));
    EXPECT_EQ(autoclear_of(bytes_of_file(options_.path)) & qcow2::Feature::kBitmaps, 0U)
        << "from the first write on";
    write_at_random(image, random, content, 40);
    EXPECT_FALSE(image.close());
  }
  const std::string after = bytes_of_file(options_.path);
  for (const auto& [offset, bytes] : places_of_bitmaps(before)) {
    EXPECT_TRUE(after.compare(offset, bytes, before, offset, bytes) == 0) << offset;
  }
  EXPECT_TRUE(content_by_qemu(options_.path) == content);
  EXPECT_THAT(info(), Not(HasSubstr("name: first"))) << "QEMU believes them no more";
  EXPECT_EQ(damage_by_qemu(options_.path), "");
}

}  // namespace
}  // namespace tapring
