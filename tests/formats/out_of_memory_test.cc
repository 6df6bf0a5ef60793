// SPDX-License-Identifier: MIT
// Requests for which there is no memory fail, and nothing else does: each allocation in turn, alone
// and with all that follow.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/clusters/blocking_io.h"
#include "formats/format.h"
#include "formats/qcow2/offline/check.h"
#include "ring/uring_loop.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"
#include "tests/ring/failing_memory.h"

namespace tapring {
namespace {

constexpr std::size_t kCluster = std::size_t{64} << 10;
constexpr uint64_t kDiskBytes = uint64_t{64} << 20;
constexpr std::size_t kAllMemory = std::numeric_limits<std::size_t>::max();

Detached note(Task<Error> task, std::optional<Error>& result) { result = co_await task; }

/// A write of a guest, and what became of it.
struct Write {
  uint64_t offset;
  std::size_t bytes;
  char with;
  std::optional<Error> result{};
};

class OutOfMemory : public testing::TestWithParam<const char*> {
 protected:
  OutOfMemory() {
    const std::string base = directory_.path() / "base";
    std::ofstream(base) << std::string(kDiskBytes / 2, 'o');
    const std::string kind = GetParam();
    const std::string options = kind == "overlay" ? " -b " + base + " -F raw " : " ";
    const std::string format = kind == "raw" ? "raw" : "qcow2";
    const std::string command = "qemu-img create -q -f " + format + options + fresh_.string() +
                                " " + std::to_string(kDiskBytes);
    EXPECT_EQ(std::system(command.c_str()), 0);
    buffer_ = std::unique_ptr<char, void (*)(void*)>(
        static_cast<char*>(std::aligned_alloc(4096, 16 * kCluster)), std::free);
  }

  std::unique_ptr<Image> open(UringLoop& loop) {
    ImageOptions options;
    options.path = path_;
    options.locked = false;  // the kernel may drop the lock of the last try later than its requests
    const bool raw = std::string(GetParam()) == "raw";
    return find_format(raw ? "raw" : "qcow2")->open(options)->serve_on(loop);
  }

  /// Without want of memory.
  static Error wait(UringLoop& loop, Task<Error> task) {
    std::optional<Error> result;
    note(std::move(task), result);
    while (!result) loop.turn(true);
    return *result;
  }

  /// Does them all at once, then a discard and a flush.
  void serve(UringLoop& loop, Image& image, std::vector<Write>& writes, FailingMemory& memory) {
    std::vector<iovec> buffers;
    std::size_t used = 0;
    for (const Write& write : writes) {
      buffers.push_back({buffer_.get() + used, write.bytes});
      std::fill_n(buffer_.get() + used, write.bytes, write.with);
      used += write.bytes;
    }
    for (std::size_t i = 0; i < writes.size(); ++i) {
      start(memory, writes[i].result,
            [&] { return image.write(writes[i].offset, {&buffers[i], 1}); });
    }
    for (const Write& write : writes) finish(loop, memory, write.result);
    std::optional<Error> others[2];
    start(memory, others[0], [&] { return image.discard(20 * kCluster, 4 * kCluster); });
    start(memory, others[1], [&] { return image.flush(); });
    for (const auto& each : others) finish(loop, memory, each);
  }

  template <typename Act>
  static void start(FailingMemory& memory, std::optional<Error>& result, Act act) {
    std::optional<Task<Error>> task;
    memory.during([&] { task.emplace(act()); });
    note(std::move(*task), result);
  }

  static void finish(UringLoop& loop, FailingMemory& memory, const std::optional<Error>& result) {
    while (!result) memory.during([&] { loop.turn(true); });
  }

  /// What was acknowledged and flushed must be there for whoever opens the image next.
  void expect_kept(const std::vector<Write>& writes) {
    UringLoop loop;
    const auto image = open(loop);
    for (const Write& write : writes) {
      if (*write.result) continue;
      const iovec whole{buffer_.get(), write.bytes};
      EXPECT_FALSE(wait(loop, image->read(write.offset, {&whole, 1})));
      EXPECT_EQ(std::string(buffer_.get(), write.bytes), std::string(write.bytes, write.with));
    }
    EXPECT_FALSE(wait(loop, image->close()));
    if (std::string(GetParam()) == "raw") return;
    const OpenFile file = open_file({.path = path_, .read_only = true});
    const auto check = qcow2::check_image(file, {});
    EXPECT_EQ(check.findings.corruptions(), 0U) << testing::PrintToString(check.findings.texts());
  }

  /// False where all allocations were good.
  bool try_with(std::size_t good, std::size_t failing) {
    std::filesystem::copy_file(fresh_, path_, std::filesystem::copy_options::overwrite_existing);
    std::vector<Write> writes{{512, 512, 'b'}, {8 * kCluster + 4096, 8192, 'c'},
                              {30 * kCluster, 3 * kCluster, 'd'}, {900 * kCluster, 4096, 'e'}};
    bool failed = false;
    {
      UringLoop loop;
      const auto image = open(loop);
      FailingMemory memory(good, failing);
      serve(loop, *image, writes, memory);
      failed = memory.has_failed();
      const Error flushed = wait(loop, image->flush());
      const Error closed = wait(loop, image->close());
      if (flushed || closed) return failed;  // told, so whoever relied on it knows
    }
    expect_kept(writes);
    return failed;
  }

  TemporaryDirectory directory_{memory_directory()};
  std::filesystem::path fresh_ = directory_.path() / "fresh";
  std::filesystem::path path_ = directory_.path() / "image";
  std::unique_ptr<char, void (*)(void*)> buffer_{nullptr, std::free};
};

INSTANTIATE_TEST_SUITE_P(Images, OutOfMemory, testing::Values("raw", "qcow2", "overlay"));

TEST_P(OutOfMemory, FailsTheRequestThatLacksIt) {
  std::size_t good = 0;
  while (try_with(good, 1)) ++good;
  EXPECT_GT(good, 3U);
}

TEST_P(OutOfMemory, FailsRequestsForAsLongAsItLasts) {
  for (std::size_t good = 0; try_with(good, kAllMemory); good += 7) {
  }
}

}  // namespace
}  // namespace tapring
