// SPDX-License-Identifier: MIT
// Locks on images, with QEMU's own programs as the other party.
#include "ring/file_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "ring/open_file.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using testing::HasSubstr;

constexpr uint64_t kFence = kFirstFence + 4711;

struct ClosePipe {
  void operator()(std::FILE* pipe) const noexcept { ::pclose(pipe); }
};
using Program = std::unique_ptr<std::FILE, ClosePipe>;

class FileLock : public testing::Test {
 protected:
  FileLock() {
    std::ofstream(path_).close();
    std::filesystem::resize_file(path_, 65536);
  }

  OpenFile open(const LockRequest& lock = {}, Locking locking = Locking::take) const {
    return open_file({.path = path_,
                      .read_only = lock.sharing == Sharing::shared,
                      .locking = locking,
                      .lock = lock});
  }

  std::string refusal(const LockRequest& lock = {}, Locking locking = Locking::take) const {
    try {
      open(lock, locking);
    } catch (const FileInUse& error) {
      EXPECT_EQ(error.path(), path_);
      EXPECT_TRUE(error.holders().on_this_host);
      return error.what();
    }
    return {};
  }

  /// What the command says where it fails; empty where it does not.
  static std::string failure(const std::string& command) {
    const Program program(::popen((command + " 2>&1 || echo failed").c_str(), "r"));
    std::string output;
    for (int c = std::fgetc(program.get()); c != EOF; c = std::fgetc(program.get())) {
      output += static_cast<char>(c);
    }
    return output.ends_with("failed\n") ? output : "";
  }

  /// qemu-io with the image open, until it is destroyed.
  Program qemu_io(const std::string& options) const {
    Program program(::popen(("exec qemu-io -f raw " + options + ' ' + path_).c_str(), "w"));
    const UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (lock_holders(fd.get()).processes.empty() && std::chrono::steady_clock::now() < limit) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return program;
  }

  TemporaryDirectory directory_;
  const std::string path_ = (directory_.path() / "a.img").string();
};

TEST_F(FileLock, QemuImgRefusesAnImageThatIsWritten) {
  const OpenFile file = open();
  const std::string copy = (directory_.path() / "copy").string();
  EXPECT_THAT(failure("qemu-img convert -f raw -O raw " + path_ + ' ' + copy), HasSubstr("lock"));
  EXPECT_THAT(failure("qemu-img resize -f raw " + path_ + " 1M"), HasSubstr("lock"));
  EXPECT_EQ(failure("qemu-img info -U -f raw " + path_), "");
}

TEST_F(FileLock, QemuImgReadsAnImageThatIsRead) {
  const OpenFile file = open({Sharing::shared, {}});
  EXPECT_EQ(failure("qemu-img info -f raw " + path_), "");
  EXPECT_THAT(failure("qemu-img resize -f raw " + path_ + " 1M"), HasSubstr("lock"));
}

TEST_F(FileLock, AnImageThatQemuWritesIsRefusedWithItsName) {
  const Program program = qemu_io("");
  EXPECT_THAT(refusal(), HasSubstr(path_ + " is in use by qemu-io, pid "));
  EXPECT_THAT(refusal({Sharing::shared, {}}), HasSubstr("qemu-io, pid "));
  EXPECT_THAT(refusal({}, Locking::look), HasSubstr("qemu-io, pid "));
}

TEST_F(FileLock, AnImageThatQemuReadsIsRead) {
  const Program program = qemu_io("-r");
  EXPECT_EQ(refusal({Sharing::shared, {}}), "");
}

TEST_F(FileLock, WhoIsRefusedHoldsNothing) {
  const OpenFile reader = open({Sharing::shared, {}});
  EXPECT_NE(refusal(), "");
  EXPECT_EQ(failure("qemu-img info -f raw " + path_), "");
}

TEST_F(FileLock, ToLookTakesNothing) {
  const OpenFile file = open({}, Locking::look);
  EXPECT_EQ(refusal(), "");
}

TEST_F(FileLock, AnotherKindOfLockOnTheWholeFileCountsToo) {
  const UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  struct flock whole{};
  whole.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(fd.get(), F_OFD_SETLK, &whole), 0);
  EXPECT_NE(refusal(), "");
}

TEST_F(FileLock, AFenceKeepsOutItsOwnDiskOnly) {
  const OpenFile file = open({Sharing::unlocked, kFence});
  EXPECT_NE(refusal({Sharing::unlocked, kFence}), "");
  EXPECT_EQ(refusal({Sharing::unlocked, kFence + 1}), "");
  EXPECT_EQ(refusal({Sharing::exclusive, {}}), "");
}

TEST_F(FileLock, QemuDoesNotLookAtAFence) {
  const OpenFile file = open({Sharing::unlocked, kFence});
  EXPECT_EQ(failure("qemu-img resize -f raw " + path_ + " 1M"), "");
}

TEST_F(FileLock, StaysUntilTheLastWhoSharesTheFile) {
  std::optional<OpenFile> first = open();
  const std::optional<OpenFile> second = share_file(*first);
  first.reset();
  EXPECT_NE(refusal(), "");
}

}  // namespace
}  // namespace tapring
