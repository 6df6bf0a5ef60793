// SPDX-License-Identifier: MIT
#include "ring/uring_loop.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>
#include <span>
#include <system_error>

#include "ring/task.h"

namespace {

/// The result of each io_uring_submit() of this program, while there is one.
std::optional<int> refusal;

}  // namespace

/// Instead of liburing's.
extern "C" int io_uring_submit(io_uring* ring) {
  using Submit = int (*)(io_uring*);
  static const auto real = reinterpret_cast<Submit>(::dlsym(RTLD_NEXT, "io_uring_submit"));
  return refusal ? *refusal : real(ring);
}

namespace tapring {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

/// As many addresses as are asked for, over a single mebibyte of memory.
class LargeMemory {
 public:
  explicit LargeMemory(std::size_t mebibytes) : bytes_(mebibytes * kMebibyte) {
    const UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(file.get(), kMebibyte), 0);
    void* const begin = ::mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(begin, MAP_FAILED);
    begin_ = static_cast<std::byte*>(begin);
    for (std::size_t at = 0; at < bytes_; at += kMebibyte) {
      EXPECT_NE(::mmap(begin_ + at, kMebibyte, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                       file.get(), 0),
                MAP_FAILED);
    }
  }
  LargeMemory(const LargeMemory&) = delete;
  LargeMemory& operator=(const LargeMemory&) = delete;
  ~LargeMemory() { ::munmap(begin_, bytes_); }

  std::span<std::byte> bytes() const noexcept { return {begin_, bytes_}; }

 private:
  std::size_t bytes_;
  std::byte* begin_;
};

TEST(UringLoop, RegistersMoreMemoryThanOneBufferOfIoUringHas) {
  const LargeMemory memory(1025);
  UringLoop loop;
  ASSERT_TRUE(loop.register_memory(memory.bytes())) << std::strerror(errno);
  const std::byte* const first = memory.bytes().data();
  const std::byte* const second = first + UringLoop::kMaxRegisteredBytes;
  EXPECT_EQ(loop.registered_buffer(first, 1), 0);
  EXPECT_EQ(loop.registered_buffer(second - 512, 512), 0);
  EXPECT_EQ(loop.registered_buffer(second, kMebibyte), 1);
  EXPECT_EQ(loop.registered_buffer(second - 512, 1024), std::nullopt);
  EXPECT_EQ(loop.registered_buffer(second, kMebibyte + 1), std::nullopt);
  EXPECT_EQ(loop.registered_buffer(first - 1, 1), std::nullopt);
}

Detached write(UringLoop& loop, int fd, std::span<std::byte> memory, int& result) {
  result = co_await UringTransfers::Transfer(
      loop.transfers(),
      {fd, UringTransfers::Direction::write, 0, {memory.data(), memory.size()}, false});
}

TEST(UringLoop, WritesFromTheSecondRegisteredBuffer) {
  const LargeMemory memory(1025);
  UringLoop loop;
  ASSERT_TRUE(loop.register_memory(memory.bytes()));
  const UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
  int result = -1;
  write(loop, file.get(), memory.bytes().last(4096), result);
  while (result == -1) loop.turn(true);
  EXPECT_EQ(result, 4096);
}

TEST(UringLoop, SaysWhichKernelItNeedsWhereTheKernelDoesNotKnowWhatIsAsked) {
  constexpr unsigned kMoreThanAnyKernelTakes = 1U << 30;
  EXPECT_THAT([] { UringLoop loop(kMoreThanAnyKernelTakes); },
              ThrowsMessage<std::system_error>(HasSubstr("Linux 6.1 or later is needed")));
}

TEST(UringLoop, EndsWaitingForAKernelThatTakesNothing) {
  UringLoop loop(4);
  for (const int result : {-EBUSY, -EAGAIN, 0}) {
    refusal = result;
    EXPECT_THROW(for (int i = 0; i < 8; ++i) loop.next_sqe(), std::system_error);
    refusal.reset();
  }
}

TEST(UringLoop, FailsTransfersThatTheKernelDoesNotTake) {
  UringLoop loop(2);
  const UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
  std::array<std::byte, 512> memory{};
  std::array<int, 8> results{};
  refusal = -EAGAIN;
  for (int& result : results) {
    result = INT_MIN;
    write(loop, file.get(), memory, result);
  }
  const auto done = [&] { return std::ranges::count(results, INT_MIN) == 0; };
  loop.post([] { refusal.reset(); });
  while (!done()) loop.turn(true);
  EXPECT_THAT(results, testing::Contains(-ENOMEM));  // the queue has less room than they need
  EXPECT_THAT(results, testing::Each(testing::AnyOf(-ENOMEM, 512)));
}

}  // namespace
}  // namespace tapring
