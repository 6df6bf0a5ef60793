// SPDX-License-Identifier: MIT
// qcow images, version 1, that are damaged, or made to harm whoever opens them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "formats/format.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qcow/qcow_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

constexpr uint64_t kHostileDiskBytes = uint64_t{1} << 20;

class QcowHostile : public testing::Test {
 protected:
  QcowHostile() { options_.path = directory_.path() / "image"; }

  static std::string refusal(const ImageOptions& options) {
    try {
      find_format("qcow")->open(options);
    } catch (const std::system_error& error) {
      return error.what();
    }
    return {};
  }

  static void patch(const std::filesystem::path& path, uint64_t offset, const std::string& bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }

  /// Two L2 tables, of 512 clusters of 512 bytes each.
  void make(const std::filesystem::path& path) {
    make_qcow(path, {.cluster_bits = 9, .l2_bits = 9, .size_bytes = kHostileDiskBytes});
    run_command("qemu-io -t unsafe -f qcow -c 'write -q -P 9 0 64k' -c 'write -q -P 8 256k 64k' " +
                shell_quoted(path.string()));
  }

  TemporaryDirectory directory_{memory_directory()};
  ImageOptions options_;
};

struct Damage {
  const char* what;
  uint64_t offset;
  std::string bytes;
  const char* reason;
};

const Damage kDamages[] = {
    {"magic", 0, "QFJ\xFB", "is no qcow image"},
    {"version2", 4, "\0\0\0\x02"s, "that is the format qcow2"},
    {"version0", 4, "\0\0\0\0"s, "version is 0"},
    {"name_outside", 8, "\0\0\0\0\xFF\0\0\0\0\0\0\x04"s, "backing_file_offset is"},
    {"name_in_header", 8, "\0\0\0\0\0\0\0\x08\0\0\0\x04"s, "backing_file_offset is 8"},
    {"name_in_l1", 8, "\0\0\0\0\0\0\0\x30\0\0\0\x04"s, "backing_file_offset is 48"},
    {"name_long", 8, "\0\0\0\0\0\0\0\x30\0\0\x04\0"s, "backing_file_size is 1024"},
    {"size_zero", 24, "\0\0\0\0\0\0\0\0"s, "is empty"},
    {"size_huge", 24, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "size is"},
    {"size_large", 24, "\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "size is"},
    {"size_beyond_file", 24, "\0\0\0\x01\0\0\0\0"s, "outside the file"},
    {"cluster_bits_small", 32, "\x08", "cluster_bits is 8"},
    {"cluster_bits_large", 32, "\x11", "cluster_bits is 17"},
    {"cluster_bits_huge", 32, "\xFF", "cluster_bits is 255"},
    {"l2_bits_small", 33, "\x05", "l2_bits is 5"},
    {"l2_bits_large", 33, "\x0E", "l2_bits is 14"},
    {"aes", 36, "\0\0\0\x01"s, "(AES)"},
    {"unknown_crypt", 36, "\0\0\0\x07"s, "crypt_method is 7"},
    {"l1_in_header", 40, "\0\0\0\0\0\0\0\x08"s, "l1_table_offset is 8"},
    {"l1_unaligned", 40, "\0\0\0\0\0\0\0\x31"s, "l1_table_offset is 49"},
    {"l1_outside", 40, "\0\0\0\x01\0\0\0\0"s, "outside the file"},
    {"l1_overflow", 40, "\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xF8", "outside the file"},
    {"l1_negative", 40, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xF8", "no place for the L1 table"},
    {"table_flags", 48, "\x80\0\0\0\0\0\x04\0"s, "an L1 entry is invalid"},
    {"table_unaligned", 48, "\0\0\0\0\0\0\x04\x08"s, "an L1 entry is invalid"},
    {"table_outside", 48, "\0\0\0\x01\0\0\0\0"s, "outside the file"},
    {"table_twice", 48, "\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x02\0"s, "overlaps"},
    {"tables_overlap", 48, "\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x04\0"s, "overlaps"},
};

class QcowDamaged : public QcowHostile, public testing::WithParamInterface<Damage> {};

INSTANTIATE_TEST_SUITE_P(Fields, QcowDamaged, testing::ValuesIn(kDamages),
                         [](const auto& tested) { return std::string(tested.param.what); });

TEST_P(QcowDamaged, IsRefusedWithTheReason) {
  make_qcow(options_.path, {.cluster_bits = 9, .l2_bits = 9, .size_bytes = kHostileDiskBytes});
  std::filesystem::resize_file(options_.path, 65536);
  ASSERT_EQ(refusal(options_), "");
  patch(options_.path, GetParam().offset, GetParam().bytes);
  EXPECT_THAT(refusal(options_), HasSubstr(GetParam().reason));
  EXPECT_THAT(refusal(options_), HasSubstr(options_.path));
}

TEST_F(QcowHostile, AnImageCutOffInItsHeaderIsRefused) {
  make_qcow(options_.path, {.cluster_bits = 9, .l2_bits = 9, .size_bytes = kHostileDiskBytes});
  for (const unsigned bytes : {47U, 1U, 0U}) {
    std::filesystem::resize_file(options_.path, bytes);
    EXPECT_NE(refusal(options_), "") << bytes;
  }
}

TEST_F(QcowHostile, AWriteIntoATableIsTheLast) {
  make(options_.path);
  // The first table is behind the header; its first entry leads to itself.
  patch(options_.path, 0x200 + 7, "\0"s);
  patch(options_.path, 0x200, "\0\0\0\0\0\0\x02\0"s);
  ServedImage image(1, "qcow", options_);
  EXPECT_TRUE(image.write(0, std::string(512, 'w')));
  EXPECT_TRUE(image.write(65536, std::string(512, 'w'))) << "although that would be well";
  EXPECT_FALSE(image.close());
}

TEST_F(QcowHostile, EntriesThatCannotBeAreErrors) {
  make(options_.path);
  patch(options_.path, 0x200, "\0\0\0\0\0\x01\0\x08"s);             // no beginning of a cluster
  patch(options_.path, 0x208, "\x40\0\0\0\0\x01\0\0"s);             // beyond every file
  patch(options_.path, 0x210, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF");  // packed, likewise
  patch(options_.path, 0x218, "\x80\0\0\0\0\0\0\0"s);               // packed, of no bytes
  ServedImage image(1, "qcow", options_);
  for (uint64_t cluster = 0; cluster < 4; ++cluster) {
    std::string into(512, '\0');
    EXPECT_TRUE(image.read(cluster * 512, into)) << cluster;
    EXPECT_TRUE(image.write(cluster * 512 + 0, std::string(512, 'w')) || cluster == 3) << cluster;
  }
  EXPECT_FALSE(image.close());
}

/// Bytes of the image are changed at random; whatever it says then is served or refused.
TEST_F(QcowHostile, AMutatedImageIsServedOrRefused) {
  sim::Random random(1);
  const auto original = directory_.path() / "original";
  make(original);
  int written = 0;
  for (int round = 0; round < 150; ++round) {
    std::filesystem::copy_file(original, options_.path,
                               std::filesystem::copy_options::overwrite_existing);
    for (uint64_t changes = random.between(1, 30); changes > 0; --changes) {
      const uint64_t most = random.chance(0.1) ? 64 : 0x2400;
      patch(options_.path, random.below(most), std::string(1, static_cast<char>(random.next())));
    }
    if (!refusal(options_).empty()) continue;
    ServedImage image(random.next(), "qcow", options_);
    for (int i = 0; i < 20; ++i) {
      const uint64_t sectors = std::min<uint64_t>(image.geometry().size_bytes / 512, 8192);
      const uint64_t sector = random.below(sectors);
      std::string data(random.between(1, std::min<uint64_t>(sectors - sector, 200)) * 512, 'w');
      if (random.chance(0.3)) {
        image.read(sector * 512, data);
      } else {
        written += image.write(sector * 512, data) ? 0 : 1;
      }
    }
    image.close();
  }
  EXPECT_GT(written, 0);
}

}  // namespace
}  // namespace tapring
