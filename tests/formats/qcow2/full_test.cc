// SPDX-License-Identifier: MIT
// An image on storage that has no room for a time: for no write at all, as where every one needs
// new room (btrfs, thin volumes).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "formats/format.h"
#include "ring/unique_fd.h"
#include "ring/uring_loop.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/cut_images.h"
#include "tests/formats/image_verdict.h"
#include "tests/formats/overlapping_load.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"
#include "tests/ring/loop_file_system.h"
#include "tests/sim/disk_model.h"
#include "tests/sim/random.h"

namespace tapring {
namespace {

using sim::FileOperation;

class Qcow2Full : public testing::TestWithParam<unsigned> {
 protected:
  Qcow2Full() : made_(directory_.path(), "qcow2", GetParam(), random_), model_(made_.content()) {
    ImageOptions options;
    options.path = made_.path();
    options.backing_formats = made_.backing_formats();
    image_.emplace(GetParam(), "qcow2", options);
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      image_->storage().behaviour(entry.path()).fault = [this](const FileOperation& operation) {
        const bool fails = full_ && operation.kind == FileOperation::Kind::write;
        return fails ? std::make_error_code(std::errc::no_space_on_device) : Error();
      };
    }
  }

  /// While it runs, the storage is full now and then, or never.
  void use(bool becomes_full) {
    OverlappingLoad load(*image_, model_, random_,
                         {.requests = 60, .depth = 6, .may_fail = becomes_full});
    load.begin();
    while (becomes_full && !load.idle()) {
      full_ = !full_;
      image_->world().run_for(std::chrono::microseconds(random_.between(1, 3000)));
    }
    ASSERT_TRUE(image_->world().run_until([&load] { return load.idle(); })) << "the image hangs";
    EXPECT_EQ(load.wrong(), "");
  }

  /// Nothing is lost.
  void flush() {
    const sim::DiskModel::Ticket flush = model_.begin_flush();
    const Error error = image_->flush();
    EXPECT_FALSE(error) << error.message();
    model_.end_flush(flush, !error);
  }

  void judge_content() {
    const sim::DiskModel::Ticket read = model_.begin_read();
    const Result<std::string> content = image_->content();
    ASSERT_TRUE(content) << content.error().message();
    const auto wrong = model_.end_read(read, 0, std::as_bytes(std::span(*content)));
    EXPECT_FALSE(wrong) << *wrong;
  }

  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam() + 900};
  CutImage made_;
  sim::DiskModel model_;
  bool full_ = false;
  std::optional<ServedImage> image_;
};

INSTANTIATE_TEST_SUITE_P(Shapes, Qcow2Full, testing::Range(0U, 39U, 3U));

TEST_P(Qcow2Full, ForATimeLosesNothing) {
  SCOPED_TRACE(made_.text());
  for (int time = 0; time < 6 && !HasFailure(); ++time) {
    use(true);
    full_ = true;
    flush();
    full_ = false;
    flush();
    judge_content();
    use(false);
  }
  EXPECT_FALSE(image_->close());
  const Verdict verdict = verdict_on(made_.path(), "qcow2");
  EXPECT_EQ(verdict.damage, "");
  EXPECT_EQ(verdict.leaks, 0U);
  EXPECT_EQ(damage_by_qemu(made_.path()), "");
}

/// Takes all the room of a file system but so many bytes.
void fill(const std::filesystem::path& file, off_t but) {
  const UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  off_t end = 0;
  for (off_t piece = off_t{64} << 20; piece >= 4096; piece /= 2) {
    while (::fallocate(fd.get(), 0, end, piece) == 0) end += piece;
  }
  ASSERT_GT(end, but);
  ASSERT_EQ(::ftruncate(fd.get(), end - but), 0);
  ASSERT_EQ(::syncfs(fd.get()), 0);
}

/// A disk that is written from end to end, more than the file system has room for at first.
class RealWrites {
 public:
  static constexpr uint64_t kPiece = 65536;
  static constexpr uint64_t kDisk = 8 << 20;

  explicit RealWrites(std::filesystem::path filler) : filler_(std::move(filler)) {}

  Detached run(Image& image, Loop& loop) {
    for (uint64_t at = 0; at < kDisk; at += kPiece) {
      const Error error = co_await write(image, at);
      if (error) refused_.push_back(at);
      EXPECT_TRUE(!error || error == std::errc::no_space_on_device) << error.message();
      if (at / kPiece % 16 != 15) continue;
      const Error flushed = co_await image.flush();
      EXPECT_FALSE(flushed) << flushed.message();
    }
    EXPECT_FALSE(refused_.empty());
    std::filesystem::remove(filler_);
    run_command("sync -f " + shell_quoted(filler_.parent_path().string()));
    for (const uint64_t at : refused_) {
      const Error error = co_await write(image, at);
      EXPECT_FALSE(error) << error.message();
    }
    const Error flushed = co_await image.flush();
    EXPECT_FALSE(flushed) << flushed.message();
    const Error closed = co_await image.close();
    EXPECT_FALSE(closed) << closed.message();
    loop.stop();
  }

  static std::string content() {
    std::string content;
    for (uint64_t at = 0; at < kDisk; at += kPiece) content.append(kPiece, letter(at));
    return content;
  }

 private:
  static char letter(uint64_t at) { return static_cast<char>('a' + at / kPiece % 26); }

  Task<Error> write(Image& image, uint64_t at) {
    const std::unique_ptr<void, void (*)(void*)> memory(std::aligned_alloc(4096, kPiece),
                                                        &std::free);
    std::memset(memory.get(), letter(at), kPiece);
    const iovec whole{memory.get(), kPiece};
    co_return co_await image.write(at, {&whole, 1});
  }

  std::filesystem::path filler_;
  std::vector<uint64_t> refused_;
};

TEST(Qcow2FullFileSystem, ForATimeLosesNothing) {
  for (const std::string& type : LoopFileSystem::types()) {
    if (type == "xfs") continue;  // as ext4, and larger
    SCOPED_TRACE(type);
    const LoopFileSystem storage(type, 512);
    ImageOptions options;
    options.path = storage.path() / "image";
    run_command("qemu-img create -q -f qcow2 -o cluster_size=4k " + shell_quoted(options.path) +
                ' ' + std::to_string(RealWrites::kDisk));
    fill(storage.path() / "filler", RealWrites::kDisk / 2);
    RealWrites writes(storage.path() / "filler");
    const std::unique_ptr<OpenImage> open = find_format("qcow2")->open(options);
    {
      UringLoop loop;
      const std::unique_ptr<Image> image = open->serve_on(loop);
      loop.post([&] { writes.run(*image, loop); });
      loop.run();
    }
    const TemporaryDirectory elsewhere(memory_directory());
    const std::filesystem::path copy = elsewhere.path() / "image";
    std::filesystem::copy_file(options.path, copy);
    EXPECT_TRUE(content_by_qemu(copy) == RealWrites::content());
    EXPECT_EQ(complaints_of_qemu(copy), "");
  }
}

}  // namespace
}  // namespace tapring
