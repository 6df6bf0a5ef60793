// SPDX-License-Identifier: MIT
// Images on storage whose locks fail, as no file system of a test machine has it.
#include <dlfcn.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdarg>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "formats/image_file.h"
#include "ring/file_lock.h"
#include "ring/open_file.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

int lock_error = 0;
// Of calls that are about locks.
int successes_left = 0;
int failures_left = 0;

}  // namespace
}  // namespace tapring

/// In the place of libc's.
extern "C" int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  const bool is_lock = command == F_OFD_SETLK || command == F_OFD_GETLK;
  const bool succeeds = is_lock && tapring::successes_left > 0 && tapring::successes_left-- > 0;
  if (is_lock && !succeeds && tapring::failures_left > 0) {
    --tapring::failures_left;
    errno = tapring::lock_error;
    return -1;
  }
  using Fcntl = int (*)(int, int, ...);
  static const auto real = reinterpret_cast<Fcntl>(::dlsym(RTLD_NEXT, "fcntl"));
  return real(fd, command, argument);
}

namespace tapring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kForEver = 1'000'000'000;

class LockFailure : public testing::Test {
 protected:
  LockFailure() {
    std::ofstream(path_).close();
    std::filesystem::resize_file(path_, 65536);
  }
  ~LockFailure() override { successes_left = failures_left = 0; }

  static void fail(int error, int times) {
    lock_error = error;
    failures_left = times;
  }

  /// The image as a disk of this mode has it.
  FileOptions options(const std::string& mode) const {
    ImageOptions image;
    image.path = path_;
    image.read_only = mode == "r";
    image.locked = mode != "w!";
    if (mode == "w!") image.fence = kFirstFence;
    FileOptions options = image_file(image, path_, Caching::page_cache);
    options.lock_patience = std::chrono::milliseconds(0);
    return options;
  }

  static std::string refusal(const FileOptions& options) {
    try {
      open_file(options);
    } catch (const std::system_error& error) {
      return error.what();
    }
    return {};
  }

  TemporaryDirectory directory_;
  const std::string path_ = (directory_.path() / "a.img").string();
};

TEST_F(LockFailure, RefusesTheImageInEveryMode) {
  for (const int error : {ENOLCK, EIO, ESTALE, EINVAL, ENOMEM, EINTR}) {
    for (const char* mode : {"r", "w", "w!"}) {
      fail(error, kForEver);
      EXPECT_THAT(refusal(options(mode)), HasSubstr("lock " + path_ + " (")) << error << mode;
      fail(error, kForEver);
      FileOptions look = options(mode);
      look.locking = Locking::look;
      EXPECT_THAT(refusal(look), HasSubstr("lock " + path_ + " (")) << error << mode;
    }
  }
}

TEST_F(LockFailure, ThatPassesHarmsNothing) {
  for (const int error : {EINTR, ENOLCK}) {
    fail(error, 1);
    FileOptions patient = options("w");
    patient.lock_patience = std::chrono::seconds(60);
    const OpenFile file = open_file(patient);
    EXPECT_THAT(file.notices, IsEmpty());
    EXPECT_EQ(failures_left, 0);
    EXPECT_THROW(open_file(options("r")), FileInUse);
  }
}

TEST_F(LockFailure, OfAFileSystemWithoutLocksRefusesModeW) {
  for (const int error : {ENOSYS, EOPNOTSUPP}) {
    fail(error, kForEver);
    EXPECT_THAT(refusal(options("w")), HasSubstr("mode w!"));
    for (const char* mode : {"r", "w!"}) {
      fail(error, kForEver);
      EXPECT_THAT(open_file(options(mode)).notices, ElementsAre(HasSubstr("has no locks")));
    }
  }
}

// Else who is refused would keep others away until it has closed the file.
TEST_F(LockFailure, LeavesNothingLocked) {
  const UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  const UniqueFd other(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  successes_left = 3;
  fail(EIO, 1);
  EXPECT_THROW(take_lock(fd.get(), {}), std::system_error);
  EXPECT_EQ(failures_left, 0);
  EXPECT_TRUE(take_lock(other.get(), {}));
}

}  // namespace
}  // namespace tapring
