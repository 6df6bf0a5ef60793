// SPDX-License-Identifier: MIT
// Images over backing files of sizes that no disk has: QEMU serves them, with zeros past the end.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

constexpr uint64_t kDiskBytes = 256 << 10;

class BackingFile : public testing::TestWithParam<uint64_t> {
 protected:
  std::string path(const std::string& name) const { return directory_.path() / name; }

  void make_raw_base() const {
    std::string content;
    for (uint64_t i = 0; i < GetParam(); ++i) content += static_cast<char>('a' + i / 100 % 26);
    std::ofstream(path("base"), std::ios::binary) << content;
  }

  std::string make_overlay(const std::string& options) const {
    run_command("qemu-img create -q " + options + " -b base " + shell_quoted(path("overlay")) +
                " 256k");
    return path("overlay");
  }

  /// Reads all, then writes around the end of the base, which copies a part of it up.
  void expect_as_qemu_has_it(const std::string& format, const std::string& formats_below) const {
    std::string disk = content_by_qemu(path("overlay"), "", format);
    disk.resize(kDiskBytes);
    ImageOptions options;
    options.path = path("overlay") + formats_below;
    ServedImage image(GetParam(), format, options);
    EXPECT_TRUE(image.content().value_or("") == disk);
    const uint64_t sector = GetParam() / 512 * 512;
    for (const uint64_t at : {sector + 512, sector < 1024 ? 2048 : sector - 1024}) {
      const std::string data(512, 'W');
      EXPECT_FALSE(image.write(at, data));
      disk.replace(at, data.size(), data);
    }
    EXPECT_TRUE(image.content().value_or("") == disk);
    EXPECT_FALSE(image.close());
    EXPECT_TRUE(content_by_qemu(path("overlay"), "", format) == disk);
  }

  TemporaryDirectory directory_;  // on storage that takes O_DIRECT, perhaps
};

INSTANTIATE_TEST_SUITE_P(Sizes, BackingFile,
                         testing::Values(0, 1, 513, 66000));

TEST_P(BackingFile, OfRawBytesMayEndAnywhere) {
  for (const char* cluster : {"512", "64k"}) {
    make_raw_base();
    make_overlay("-f qcow2 -F raw -o cluster_size=" + std::string(cluster));
    expect_as_qemu_has_it("qcow2", "");
  }
}

TEST_P(BackingFile, OfAQcowImageMayEndAnywhere) {
  make_raw_base();
  make_overlay("-f qcow -F raw");
  expect_as_qemu_has_it("qcow", "@raw");
}

TEST_P(BackingFile, InTheMiddleOfAChainMayEndAnywhere) {
  make_raw_base();
  std::filesystem::rename(path("base"), path("bottom"));
  run_command("qemu-img create -q -f qcow2 -F raw -b bottom " + shell_quoted(path("base")) + ' ' +
              std::to_string(GetParam() / 512 * 512));
  make_overlay("-f qcow2 -F qcow2");
  expect_as_qemu_has_it("qcow2", "");
}

}  // namespace
}  // namespace tapring
