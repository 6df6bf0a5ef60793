// SPDX-License-Identifier: MIT
// The power cuts of image_cut_test, of what the driver really did: on io_uring and a real file,
// recorded, and replayed up to moments of chance.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "formats/clusters/aligned_bytes.h"
#include "formats/format.h"
#include "ring/open_file.h"
#include "ring/uring_loop.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/promises.h"
#include "tests/formats/qcow/qcow_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/recorded_file.h"

namespace tapring {
namespace {

constexpr std::size_t kSector = 512;
constexpr std::size_t kDiskBytes = std::size_t{1} << 20;
constexpr unsigned kRounds = 12;
constexpr int kCuts = 8;

class RecordingLoop final : public UringLoop {
 public:
  explicit RecordingLoop(WriteLog& log) : log_(log) {}
  std::unique_ptr<File> file(OpenFile file) override {
    return recorded(UringLoop::file(std::move(file)), log_);
  }

 private:
  WriteLog& log_;
};

struct GuestWrite {
  uint64_t begun;
  uint64_t promised;  ///< the moment at which a flush had ended that came after it
  uint64_t offset;
  std::string data;
};

Detached write_one(Image& image, GuestWrite& write, std::size_t& left) {
  AlignedBytes data(write.data.size());
  std::memcpy(data.data(), write.data.data(), data.size());
  const iovec whole = data.buffer();
  const Error error = co_await image.write(write.offset, {&whole, 1});
  EXPECT_FALSE(error) << error.message();
  --left;
}

Detached flush_and_note(Image& image, bool closes, bool& done) {
  const Error flushed = co_await image.flush();
  EXPECT_FALSE(flushed) << flushed.message();
  if (closes) {
    const Error closed = co_await image.close();
    EXPECT_FALSE(closed) << closed.message();
  }
  done = true;
}

/// Rounds of writes at once, each with a flush behind it.
std::vector<GuestWrite> run_recorded(const std::string& format, const ImageOptions& options,
                                     WriteLog& log, sim::Random& random) {
  std::vector<GuestWrite> all;
  RecordingLoop loop(log);
  const std::unique_ptr<Image> image = find_format(format)->open(options)->serve_on(loop);
  for (unsigned round = 0; round < kRounds; ++round) {
    std::vector<GuestWrite> writes;
    for (uint64_t slot = 0; slot < 8; ++slot) {
      const uint64_t slot_bytes = kDiskBytes / 8;
      const uint64_t sectors = random.between(1, 60);
      const uint64_t at = random.below(slot_bytes / kSector - sectors) * kSector;
      writes.push_back({log.now(), UINT64_MAX, slot * slot_bytes + at,
                        std::string(sectors * kSector, static_cast<char>(1 + round * 8 + slot))});
    }
    std::size_t left = writes.size();
    loop.post([&] {
      for (GuestWrite& write : writes) write_one(*image, write, left);
    });
    while (left > 0) loop.turn(true);
    bool flushed = false;
    loop.post([&] { flush_and_note(*image, round + 1 == kRounds, flushed); });
    while (!flushed) loop.turn(true);
    for (GuestWrite& write : writes) {
      write.promised = log.now();
      all.push_back(std::move(write));
    }
  }
  return all;
}

Promises promises_at(uint64_t moment, const std::vector<GuestWrite>& writes) {
  Promises promises(std::string(kDiskBytes, '\0'));
  for (const GuestWrite& write : writes) {
    if (write.promised <= moment) {
      promises.promise(write.offset, write.data);
    } else if (write.begun <= moment) {
      promises.begin_write(write.offset, write.data);
    }
  }
  return promises;
}

class ImageReplay : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Images, ImageReplay,
                         testing::Values("qcow2 -o cluster_size=512", "qcow2 -o cluster_size=4k",
                                         "qcow2 -o cluster_size=16k,extended_l2=on", "qcow2",
                                         "qcow"));

TEST_P(ImageReplay, AnyMomentIsAnImageWithAllThatWasFlushed) {
  const TemporaryDirectory directory(std::filesystem::current_path());
  const auto made = directory.path() / "made";
  const auto path = directory.path() / "image";
  const std::string format = GetParam().substr(0, GetParam().find(' '));
  run_command("qemu-img create -q -f " + GetParam() + ' ' + shell_quoted(made.string()) + " 1M");
  std::filesystem::copy_file(made, path);
  ImageOptions options;
  options.path = path;
  sim::Random random(1);
  WriteLog log;
  const std::vector<GuestWrite> writes = run_recorded(format, options, log, random);
  for (int cut = 0; cut < kCuts && !HasFailure(); ++cut) {
    const uint64_t moment = random.below(log.now() + 1);
    SCOPED_TRACE("moment " + std::to_string(moment) + " of " + std::to_string(log.now()));
    std::filesystem::copy_file(made, path, std::filesystem::copy_options::overwrite_existing);
    log.replay(path, moment, random);
    EXPECT_EQ(promises_at(moment, writes).broken_by(content_by_qemu(path, "", format)), "");
    EXPECT_EQ(format == "qcow" ? damage_of_qcow(path) : damage_by_qemu(path), "");
  }
}

}  // namespace
}  // namespace tapring
