// SPDX-License-Identifier: MIT
// Maps of chains of every shape, beside those of qemu-img.
#include "daemon/cli/image_map.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/drawn_image.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

namespace json = boost::json;

/// A line for each run of sectors that says what both tools say: of data where they are, and that
/// all else reads as zeros.
class Words {
 public:
  void add(uint64_t start, uint64_t bytes, const std::string& what) {
    if (what == last_ && what == "zero") return;
    last_ = what;
    text_ += std::to_string(start) + ' ' + what;
    if (what != "zero") text_ += ' ' + std::to_string(bytes);
    text_ += '\n';
  }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  std::string last_;
};

std::string data_at(uint64_t depth, const std::string& offset) {
  return "data of " + std::to_string(depth) + " at " + offset;
}

std::string map_by_qemu(const std::filesystem::path& image, const std::string& format) {
  Words words;
  const json::value extents = json::parse(
      run_command("qemu-img map -U --output=json -f " + format + " " + shell_quoted(image)));
  for (const json::value& extent : extents.as_array()) {
    const json::value* offset = extent.as_object().if_contains("offset");
    const std::string place =
        offset == nullptr ? "-" : std::to_string(offset->to_number<uint64_t>());
    const bool zero = extent.at("zero").as_bool();
    words.add(extent.at("start").to_number<uint64_t>(), extent.at("length").to_number<uint64_t>(),
              zero ? "zero" : data_at(extent.at("depth").to_number<uint64_t>(), place));
  }
  return words.text();
}

/// qemu-img puts compressed clusters of one image that follow each other together.
std::string map_by_us(const std::filesystem::path& image, const std::string& format) {
  std::vector<MappedExtent> extents;
  map_image(image, format, true, {}, [&extents](const MappedExtent& extent) {
    const bool compressed = std::string_view(extent.kind) == "compressed";
    const bool more = !extents.empty() && compressed && extents.back().kind == extent.kind &&
                      extents.back().depth == extent.depth;
    if (more) {
      extents.back().bytes += extent.bytes;
    } else {
      extents.push_back(extent);
    }
  });
  Words words;
  for (const MappedExtent& extent : extents) {
    const std::string kind = extent.kind;
    const std::string place = kind == "data" ? std::to_string(extent.offset.value_or(0)) : "-";
    const bool data = kind == "data" || kind == "compressed";
    words.add(extent.start, extent.bytes, data ? data_at(extent.depth, place) : "zero");
  }
  return words.text();
}

/// Of clusters that end past their file QEMU calls the rest zero: here none do.
void fill_last_cluster(const std::filesystem::path& image) {
  constexpr uint64_t kLargest = uint64_t{2} << 20;
  const std::string rest(kLargest - std::filesystem::file_size(image) % kLargest, '\0');
  std::ofstream(image, std::ios::binary | std::ios::app) << rest;
}

class ImageMap : public testing::TestWithParam<unsigned> {
 protected:
  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam() + 300};
};

INSTANTIATE_TEST_SUITE_P(Shapes, ImageMap, testing::Range(0U, 39U, 4U));

TEST_P(ImageMap, IsThatOfQemu) {
  const DrawnImage image =
      make_chain(directory_.path(), draw_chain(GetParam(), random_), random_, uint64_t{1} << 20);
  SCOPED_TRACE(image.text);
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    if (entry.path().extension() == ".qcow2") fill_last_cluster(entry.path());
  }
  EXPECT_EQ(map_by_us(image.path, "qcow2"), map_by_qemu(image.path, "qcow2"));
}

TEST(ImageMapOf, AQcowImageIsThatOfQemu) {
  const TemporaryDirectory directory(memory_directory());
  const auto image = directory.path() / "image";
  run_command("qemu-img create -q -f qcow " + shell_quoted(image.string()) + " 8M");
  run_command("qemu-io -f qcow -c 'write 64k 100k' -c 'write 4M 1M' -c 'write 3M 4k' " +
              shell_quoted(image.string()) + " >/dev/null");
  const std::string by_us = map_by_us(image, "qcow");
  EXPECT_EQ(by_us, map_by_qemu(image, "qcow"));
  EXPECT_EQ(by_us, map_by_us(image, ""));
}

TEST(ImageMapOf, ATopAloneLeavesTheRestUnallocated) {
  const TemporaryDirectory directory(memory_directory());
  const auto base = directory.path() / "base";
  const auto top = directory.path() / "top";
  run_command("qemu-img create -q -f raw " + shell_quoted(base.string()) + " 1M");
  run_command("qemu-img create -q -f qcow2 -b base -F raw " + shell_quoted(top.string()));
  std::string kinds;
  map_image(top, "", false, {}, [&kinds](const MappedExtent& extent) { kinds += extent.kind; });
  EXPECT_EQ(kinds, "unallocated");
}

void put_word(std::fstream& file, uint64_t offset, uint64_t word) {
  file.seekp(static_cast<std::streamoff>(offset));
  for (int shift = 56; shift >= 0; shift -= 8) file.put(static_cast<char>(word >> shift));
}

uint64_t get_word(std::fstream& file, uint64_t offset) {
  file.seekg(static_cast<std::streamoff>(offset));
  uint64_t word = 0;
  for (int i = 0; i < 8; ++i) word = word << 8 | static_cast<uint64_t>(file.get() & 0xFF);
  return word;
}

/// Each of its 16384 tables would have 131072 entries, or 32 times as many extents.
TEST(ImageMapOf, AnImageWhoseTablesAreOneTakesItOnce) {
  const TemporaryDirectory directory(memory_directory());
  const auto image = directory.path() / "image";
  run_command("qemu-img create -q -f qcow2 -o cluster_size=2M,extended_l2=on " +
              shell_quoted(image.string()) + " 4P");
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -z 0 2k' -c 'write -q 64k 1' " +
              shell_quoted(image.string()));
  std::fstream file(image, std::ios::in | std::ios::out | std::ios::binary);
  const uint64_t l1 = get_word(file, 40);
  const uint64_t entry = get_word(file, l1);
  for (uint64_t index = 1; index < 16384; ++index) put_word(file, l1 + index * 8, entry);
  file.close();
  std::vector<MappedExtent> extents;
  map_image(image, "", false, {}, [&](const MappedExtent& extent) { extents.push_back(extent); });
  ASSERT_LT(extents.size(), 10U);
  EXPECT_EQ(extents.back().kind, std::string("invalid"));
  EXPECT_EQ(extents.back().start, uint64_t{1} << 38);
  EXPECT_EQ(extents.back().start + extents.back().bytes, uint64_t{1} << 52);
}

}  // namespace
}  // namespace tapring
