// SPDX-License-Identifier: MIT
// Secure erasing on a real io_uring, with a kernel whose block devices do as they are told here:
// none that a machine without such a device has could be erased.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "ring/error.h"
#include "ring/file.h"
#include "ring/open_file.h"
#include "ring/task.h"
#include "ring/uring_loop.h"

namespace tapring {
namespace {

struct FakeDevice {
  int fd = -1;
  int error = 0;
  std::array<uint64_t, 2> erased{};
  std::thread::id thread;
};

FakeDevice* device = nullptr;

}  // namespace
}  // namespace tapring

/// In the place of libc's.
extern "C" int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  tapring::FakeDevice* const fake = tapring::device;
  if (fake == nullptr || fd != fake->fd || request != BLKSECDISCARD) {
    using Ioctl = int (*)(int, unsigned long, ...);
    static const auto real = reinterpret_cast<Ioctl>(::dlsym(RTLD_NEXT, "ioctl"));
    return real(fd, request, argument);
  }
  fake->erased = *static_cast<const std::array<uint64_t, 2>*>(argument);
  fake->thread = std::this_thread::get_id();
  errno = fake->error;
  return fake->error == 0 ? 0 : -1;
}

namespace tapring {
namespace {

Detached store_result(Task<Error> task, std::optional<Error>& result) {
  result = co_await task;
}

class SecureErase : public testing::Test {
 protected:
  ~SecureErase() override { device = nullptr; }

  Error erase(bool block_device) {
    OpenFile open;
    open.fd = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    open.block_device = block_device;
    device_.fd = open.fd.get();
    const auto file = loop_.file(std::move(open));
    std::optional<Error> result;
    store_result(file->secure_erase(4096, 8192), result);
    while (!result) loop_.turn(true);
    return *result;
  }

  UringLoop loop_{std::make_unique<Uring>(8)};
  FakeDevice device_;
};

TEST_F(SecureErase, TellsTheDeviceTheRangeFromAnotherThread) {
  device = &device_;
  EXPECT_FALSE(erase(true));
  EXPECT_EQ(device_.erased, (std::array<uint64_t, 2>{4096, 8192}));
  EXPECT_NE(device_.thread, std::this_thread::get_id());
}

TEST_F(SecureErase, ReportsWhatTheDeviceSays) {
  device = &device_;
  device_.error = EOPNOTSUPP;
  EXPECT_EQ(erase(true), std::errc::operation_not_supported);
  device_.error = EIO;
  EXPECT_EQ(erase(true), std::errc::io_error);
}

TEST_F(SecureErase, IsNotForRegularFiles) {
  device = &device_;
  EXPECT_EQ(erase(false), std::errc::operation_not_supported);
  EXPECT_EQ(device_.thread, std::thread::id());
}

}  // namespace
}  // namespace tapring
