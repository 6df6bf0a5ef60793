// SPDX-License-Identifier: MIT
// Images whose data are in another file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "formats/format.h"
#include "formats/image_file.h"
#include "formats/qcow2/offline/check.h"
#include "tests/formats/hostile_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"
#include "tests/ring/loop_file_system.h"

namespace tapring {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

class Qcow2DataFile : public HostileImage {
 protected:
  static constexpr uint64_t kDataCluster = 65536;
  static constexpr uint64_t kL2 = 4 * kDataCluster;

  std::filesystem::path data() const { return directory_.path() / "data"; }

  std::filesystem::path create_with_data(const std::string& options = "") {
    return create("image", "-o data_file=" + data().string() + options);
  }
};

/// In such a file the cluster would be another one's.
TEST_F(Qcow2DataFile, AClusterIsWhereItIsOnTheDiskOrInvalid) {
  const auto path = create_with_data();
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -P 9 0 192k' " +
              shell_quoted(path.string()));
  const std::string before = bytes_of_file(data());
  patch(path, kL2 + 8, "\x80\0\0\0\0\x02\0\0"s);
  ImageOptions options;
  options.path = path;
  {
    ServedImage image(1, "qcow2", options);
    std::string read(512, '\0');
    EXPECT_FALSE(image.read(0, read));
    EXPECT_EQ(image.read(kDataCluster, read), std::errc::bad_message);
    EXPECT_EQ(image.write(kDataCluster, std::string(512, 'w')), std::errc::bad_message);
    EXPECT_FALSE(image.close());
  }
  EXPECT_TRUE(bytes_of_file(data()) == before);
  const OpenFile file = open_file(image_file(options, path, Caching::page_cache));
  EXPECT_THAT(qcow2::check_image(file, {}).findings.texts(),
              testing::ElementsAre(HasSubstr("leads to byte 131072 of the data file, not to byte "
                                             "65536 as on the disk")));
}

TEST_F(Qcow2DataFile, TheImageItselfIsRefusedAsOne) {
  const auto path = create_with_data();
  std::filesystem::remove(data());
  std::filesystem::create_hard_link(path, data());
  ImageOptions options;
  options.path = path;
  options.locked = false;
  EXPECT_THAT(refusal(options), HasSubstr("its data file is itself"));
}

/// A file system of 16 MiB has blocks of 1024 bytes, that of the test's directory larger ones.
TEST_F(Qcow2DataFile, ThePhysicalSectorIsTheDataFilesOwn) {
  const auto types = LoopFileSystem::types();
  if (std::ranges::find(types, "ext4") == types.end()) return;
  const LoopFileSystem small("ext4", 512);
  const auto path = create_with_data();
  const auto plain = create("plain", "");
  for (const auto& image : {path, plain}) {
    std::filesystem::copy_file(image, small.path() / image.filename());
  }
  const auto sector_of = [&](const std::filesystem::path& image) {
    return find_format("qcow2")->open(read_only(image))->geometry().physical_sector_bytes;
  };
  EXPECT_EQ(sector_of(small.path() / "plain"), 1024U);
  EXPECT_EQ(sector_of(small.path() / "image"), sector_of(path));
  EXPECT_GT(sector_of(path), 1024U);
}

}  // namespace
}  // namespace tapring
