// SPDX-License-Identifier: MIT
// Compressed clusters, unpacked by threads beside the loop that their requests are on.
#include "daemon/host/helper_threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "formats/format.h"
#include "ring/uring_loop.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

TEST(HelperThreads, WorkIsDoneOnAnotherThread) {
  HelperThreads helpers;
  std::promise<std::thread::id> done;
  helpers.post([&done] { done.set_value(std::this_thread::get_id()); });
  EXPECT_NE(done.get_future().get(), std::this_thread::get_id());
}

class Unpacked : public testing::TestWithParam<std::string> {
 protected:
  static constexpr std::size_t kPiece = 12288;  // of which some lie in two clusters
  static constexpr std::size_t kPieces = 170;

  Detached read(Image& image, std::size_t piece) {
    const iovec whole{content_.data() + piece * kPiece, kPiece};
    const Error error = co_await image.read(piece * kPiece, {&whole, 1});
    EXPECT_FALSE(error) << error.message();
    if (++read_ == kPieces) close(image);
  }

  Detached close(Image& image) {
    const Error error = co_await image.close();
    EXPECT_FALSE(error) << error.message();
    loop_.stop();
  }

  TemporaryDirectory directory_{memory_directory()};
  std::string content_ = std::string(kPiece * kPieces, '\0');
  std::size_t read_ = 0;
  UringLoop loop_;
  HelperThreads helpers_;
};

INSTANTIATE_TEST_SUITE_P(Options, Unpacked,
                         testing::Values("compression_type=zlib", "compression_type=zstd",
                                         "compression_type=zstd,cluster_size=4096"));

TEST_P(Unpacked, ManyAtOnceAreWhatQemuReads) {
  const std::string plain = (directory_.path() / "plain").string();
  const std::string packed = (directory_.path() / "packed").string();
  run_command("seq 1000000 | head -c " + std::to_string(content_.size()) + " >" +
              shell_quoted(plain));
  run_command("qemu-img convert -c -f raw -O qcow2 -o " + GetParam() + ' ' + shell_quoted(plain) +
              ' ' + shell_quoted(packed));
  ImageOptions options;
  options.path = packed;
  options.read_only = true;
  loop_.use_helper(helpers_);
  const std::unique_ptr<Image> image = find_format("qcow2")->open(options)->serve_on(loop_);
  loop_.post([&] {
    for (std::size_t piece = 0; piece < kPieces; ++piece) read(*image, piece);
  });
  loop_.run();
  EXPECT_TRUE(content_by_qemu(packed) == content_);
}

}  // namespace
}  // namespace tapring
