// SPDX-License-Identifier: MIT
// Every format of the table against a model, which is a plain array of bytes: random requests, the
// image closed and opened anew, made larger where it can be, and looked at by the table's tools.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "formats/format.h"
#include "formats/image_file.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"
#include "tests/formats/random_writes.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

constexpr uint64_t kSector = 512;

class FormatModel : public testing::TestWithParam<std::tuple<std::string, uint64_t>> {
 protected:
  /// By the table where it makes images of the format, else by QEMU.
  void create() {
    options_.path = directory_.path() / "image";
    content_.assign(random_.between(1, 8192) * kSector, '\0');
    if (format_.create == nullptr) {
      run_command("qemu-img create -q -f " + name_by_qemu() + ' ' + quoted_path() + ' ' +
                  std::to_string(content_.size()));
      return;
    }
    CreateOptions options;
    options.path = options_.path;
    options.size_bytes = content_.size();
    if (format_.name != "raw") options.cluster_bytes = uint64_t{512} << random_.below(9);
    ASSERT_EQ(format_.why_not(options), std::nullopt);
    run_command("touch " + quoted_path());
    OpenFile file = open_closed(false);
    format_.create(file, options, [](uint64_t, uint64_t) {});
  }

  void grow() {
    if (format_.name == "qcow") return;  // its L1 table has no room to grow
    content_.resize(content_.size() + random_.between(1, 2048) * kSector);
    run_command("qemu-img resize -q -f " + name_by_qemu() + ' ' + quoted_path() + ' ' +
                std::to_string(content_.size()));
  }

  void expect_extents_of_content() {
    const auto extents = format_.extents(open_closed(true));
    ASSERT_EQ(extents->size_bytes(), content_.size());
    const std::string file = bytes_of_file(options_.path);
    for (uint64_t at = 0; at < content_.size();) {
      const Extent extent = extents->at(at, content_.size() - at);
      ASSERT_GT(extent.bytes, 0U);
      const bool has_data = extent.kind == ExtentKind::data;
      const std::string expected =
          has_data ? file.substr(extent.host, extent.bytes) : std::string();
      const std::string there = content_.substr(at, extent.bytes);
      // What lies past the end of the file reads as zeros.
      const auto first_past = there.begin() + static_cast<std::ptrdiff_t>(expected.size());
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), there.begin())) << "at " << at;
      EXPECT_TRUE(std::all_of(first_past, there.end(), [](char byte) { return byte == 0; }))
          << "at " << at;
      at += extent.bytes;
    }
  }

  void expect_in_order() {
    EXPECT_EQ(format_.describe(open_closed(true)).size_bytes, content_.size());
    expect_extents_of_content();
    if (format_.check == nullptr) return;
    const ImageCheck check = format_.check(open_closed(true), {});
    EXPECT_EQ(check.findings.texts(), std::vector<std::string>());
  }

  /// As a tool opens an image that is not in use.
  OpenFile open_closed(bool read_only) const {
    ImageOptions options = options_;
    options.read_only = read_only;
    return open_file(image_file(options, options.path, Caching::page_cache));
  }

  std::string name_by_qemu() const {
    return format_.name == "aio" ? "raw" : std::string(format_.name);
  }
  std::string quoted_path() const { return shell_quoted(options_.path); }

  TemporaryDirectory directory_{memory_directory()};
  const Format& format_ = *find_format(std::get<0>(GetParam()));
  sim::Random random_{std::get<1>(GetParam())};
  ImageOptions options_;
  std::string content_;
};

std::vector<std::string> names_of_formats() {
  std::vector<std::string> names;
  for (const Format& format : all_formats()) names.emplace_back(format.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Formats, FormatModel,
                         testing::Combine(testing::ValuesIn(names_of_formats()),
                                          testing::Range(uint64_t{0}, uint64_t{6})));

TEST_P(FormatModel, IsAnArrayOfBytes) {
  create();
  const std::string name(format_.name);
  for (int life = 0; life < 4; ++life) {
    if (life > 0 && random_.chance(0.5)) grow();
    ServedImage image(random_.next(), name, options_);
    ASSERT_EQ(image.geometry().size_bytes, content_.size());
    write_at_random(image, random_, content_, 10);
    const Result<std::string> read = image.content();
    EXPECT_TRUE(read && *read == content_) << "in life " << life;
    EXPECT_FALSE(image.close());
    expect_in_order();
  }
  EXPECT_TRUE(content_by_qemu(options_.path, "", name_by_qemu()) == content_) << "read by QEMU";
}

}  // namespace
}  // namespace tapring
