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
#include <chrono>
#include <climits>
#include <cstring>
#include <memory>
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

TEST(UringLoop, SaysWhichKernelItNeedsWhereTheKernelDoesNotKnowWhatIsAsked) {
  constexpr unsigned kMoreThanAnyKernelTakes = 1U << 30;
  EXPECT_THAT([] { const Uring uring(kMoreThanAnyKernelTakes); },
              ThrowsMessage<std::system_error>(HasSubstr("Linux 6.1 or later is needed")));
}

TEST(UringLoop, TheShortestTimeThatIsAskedForEndsItsWait) {
  constexpr std::chrono::milliseconds kShort{1};
  constexpr std::chrono::seconds kLong{30};
  UringLoop loop;
  const auto begin = Loop::Clock::now();
  loop.wake_after(2 * kLong);
  loop.turn(false);
  for (int round = 0; round < 2; ++round) {
    const auto due = Loop::Clock::now() + kShort;
    loop.wake_after(kShort);
    loop.wake_after(kLong);
    while (Loop::Clock::now() < due) loop.turn(true);
  }
  EXPECT_LT(Loop::Clock::now() - begin, kLong);
}

TEST(UringLoop, EndsWaitingForAKernelThatTakesNothing) {
  UringLoop loop(std::make_unique<Uring>(4));
  for (const int result : {-EBUSY, -EAGAIN, 0}) {
    refusal = result;
    EXPECT_THROW(for (int i = 0; i < 8; ++i) loop.next_sqe(), std::system_error);
    refusal.reset();
  }
}

Detached write(UringLoop& loop, int fd, std::span<std::byte> memory, int& result) {
  result = co_await UringTransfers::Transfer(
      loop.transfers(),
      {fd, UringTransfers::Direction::write, 0, {memory.data(), memory.size()}, false});
}

TEST(UringLoop, FailsTransfersThatTheKernelDoesNotTake) {
  UringLoop loop(std::make_unique<Uring>(2));
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
