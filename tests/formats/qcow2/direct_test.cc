// SPDX-License-Identifier: MIT
// An image on a real loop and a real disk, past the page cache: what O_DIRECT refuses shows here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "formats/format.h"
#include "ring/sizes.h"
#include "ring/uring_loop.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

constexpr std::size_t kGivenBack = 65536;
constexpr std::size_t kDirectDiskBytes = std::size_t{2} << 20;

struct PageMemory {
  explicit PageMemory(std::size_t bytes)
      : data(static_cast<char*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)),
             &std::free) {}
  std::unique_ptr<char, void (*)(void*)> data;
};

/// Writes all over the disk, gives some of it back, reads it all; the first Error.
Detached exercise(Image& image, std::string& content, Error& first, Loop& loop) {
  const PageMemory memory(kDirectDiskBytes);
  const auto note = [&first](const Error& error) {
    if (!first) first = error;
  };
  for (std::size_t i = 0; i < 60; ++i) {
    const std::size_t offset = i * 7919 * kSectorBytes % (kDirectDiskBytes - 80 * kSectorBytes);
    const std::size_t bytes = (1 + i * 5 % 79) * kSectorBytes;
    std::fill_n(memory.data.get(), bytes, static_cast<char>('a' + i % 26));
    const iovec whole{memory.data.get(), bytes};
    const Error error = co_await image.write(offset, {&whole, 1});
    note(error);
    content.replace(offset, bytes, bytes, static_cast<char>('a' + i % 26));
    if (i % 20 != 19) continue;
    const Error flushed = co_await image.flush();
    note(flushed);
    const Error discarded = co_await image.discard(i / 20 * 5 * kGivenBack, kGivenBack);
    note(discarded);
    content.replace(i / 20 * 5 * kGivenBack, kGivenBack, kGivenBack, '\0');
  }
  const iovec whole{memory.data.get(), kDirectDiskBytes};
  const Error error = co_await image.read(0, {&whole, 1});
  note(error);
  EXPECT_TRUE(std::equal(content.begin(), content.end(), memory.data.get()));
  const Error closed = co_await image.close();
  note(closed);
  loop.stop();
}

class Qcow2Direct : public testing::TestWithParam<std::string> {
 protected:
  // On a disk, where there is one: tmpfs of older kernels has no O_DIRECT.
  TemporaryDirectory directory_{std::filesystem::current_path()};
};

INSTANTIATE_TEST_SUITE_P(Options, Qcow2Direct,
                         testing::Values("cluster_size=512", "cluster_size=4096,refcount_bits=1",
                                         "cluster_size=16k,extended_l2=on", "cluster_size=64k"));

TEST_P(Qcow2Direct, WritesAndReadsPastThePageCache) {
  const std::string base = (directory_.path() / "base").string();
  const std::string path = (directory_.path() / "image").string();
  run_command("qemu-img create -q -f qcow2 " + shell_quoted(base) + " 2M");
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -c -P 7 0 64k' -c 'write -q -P 9 1M 300k' " +
              shell_quoted(base));
  run_command("qemu-img create -q -f qcow2 -b base -F qcow2 -o " + GetParam() + ' ' +
              shell_quoted(path));
  std::string content = content_by_qemu(path);
  ImageOptions options;
  options.path = path;
  auto open = find_format("qcow2")->open(options);
  EXPECT_TRUE(open->notices().empty()) << open->notices().front();
  Error error;
  {
    UringLoop loop;
    const std::unique_ptr<Image> image = open->serve_on(loop);
    loop.post([&] { exercise(*image, content, error, loop); });
    loop.run();
  }
  EXPECT_FALSE(error) << error.message();
  EXPECT_TRUE(content_by_qemu(path) == content);
  EXPECT_EQ(complaints_of_qemu(path), "");
}

}  // namespace
}  // namespace tapring
