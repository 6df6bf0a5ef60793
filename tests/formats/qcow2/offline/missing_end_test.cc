// SPDX-License-Identifier: MIT
// Images that were cut off: who attaches one is told, before writes make the file longer again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "formats/format.h"
#include "tests/formats/hostile_image.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

using namespace std::string_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kClusterBytes = 65536;

class Qcow2MissingEnd : public HostileImage {
 protected:
  std::filesystem::path create_filled(const std::string& options = "") {
    auto path = create("image", options);
    write(path, "0 1M");
    return path;
  }

  static void write(const std::filesystem::path& path, const std::string& range) {
    run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -P 9 " + range + "' " +
                shell_quoted(path.string()));
  }

  static void cut(const std::filesystem::path& path, uint64_t bytes) {
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - bytes);
  }

  static std::vector<std::string> notices(const std::filesystem::path& path, bool writable = true) {
    ImageOptions options;
    options.path = path;
    options.read_only = !writable;
    return find_format("qcow2")->open(options)->notices();
  }
};

TEST_F(Qcow2MissingEnd, IsTold) {
  for (const char* options : {"-o compat=0.10", "-o compat=1.1", "-o extended_l2=on",
                              "-o refcount_bits=1", "-o refcount_bits=64", "-o cluster_size=16k"}) {
    const auto path = create_filled(options);
    EXPECT_THAT(notices(path), Not(Contains(HasSubstr("cut off")))) << options;
    cut(path, 3 * kClusterBytes);
    EXPECT_THAT(notices(path), Contains(HasSubstr("is cut off"))) << options;
    EXPECT_THAT(notices(path, false), Contains(HasSubstr("is cut off"))) << options;
  }
}

TEST_F(Qcow2MissingEnd, OfCompressedClustersIsTold) {
  const auto path = directory_.path() / "packed";
  const std::string plain = shell_quoted((directory_.path() / "plain").string());
  run_command("head -c 768k /dev/urandom | base64 -w 0 > " + plain);
  run_command("qemu-img convert -c -f raw -O qcow2 " + plain + ' ' + shell_quoted(path.string()));
  EXPECT_THAT(notices(path), Not(Contains(HasSubstr("cut off"))));
  cut(path, 2 * kClusterBytes);
  EXPECT_THAT(notices(path), Contains(HasSubstr("is cut off")));
}

TEST_F(Qcow2MissingEnd, WithinTheLastClusterIsNone) {
  const auto path = create_filled();
  cut(path, kClusterBytes - 512);
  EXPECT_THAT(notices(path), Not(Contains(HasSubstr("cut off"))));
}

/// What is to be saved from such an image is still read.
TEST_F(Qcow2MissingEnd, OfAnImageWithoutGoodRefcountsIsTold) {
  const auto path = create_filled();
  patch(path, kClusterBytes, "\xff\xff\xff\xff\xff\xff\xfe\0"s);
  EXPECT_THAT(notices(path, false), Not(Contains(HasSubstr("cut off"))));
  cut(path, 3 * kClusterBytes);
  EXPECT_THAT(notices(path, false), Contains(HasSubstr("is cut off")));
}

/// A process that is killed between the refcount and the entry leaves such.
TEST_F(Qcow2MissingEnd, LeaksBehindTheFileAreNone) {
  const auto path = create_filled();
  const uint64_t next = std::filesystem::file_size(path) / kClusterBytes;
  patch(path, 2 * kClusterBytes + next * 2, "\0\x01\0\x01"s);
  EXPECT_THAT(notices(path), Not(Contains(HasSubstr("cut off"))));
}

TEST_F(Qcow2MissingEnd, OfABackingFileIsTold) {
  const auto base = create_filled();
  cut(base, kClusterBytes);
  const auto overlay = create("overlay", "-b image -F qcow2");
  EXPECT_THAT(notices(overlay), Contains(HasSubstr(base.string() + " is cut off")));
}

TEST_F(Qcow2MissingEnd, OfADataFileIsTold) {
  const auto data = directory_.path() / "data";
  const auto path = create_filled("-o data_file=" + data.string());
  std::filesystem::resize_file(data, uint64_t{1} << 20);
  EXPECT_THAT(notices(path), Not(Contains(HasSubstr("cut off"))));
  std::filesystem::resize_file(data, kClusterBytes);
  EXPECT_THAT(notices(path), Contains(HasSubstr(data.string() + " is cut off")));
}

}  // namespace
}  // namespace tapring
