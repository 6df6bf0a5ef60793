// SPDX-License-Identifier: MIT
#include "ring/registered_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "ring/arena.h"
#include "ring/task.h"
#include "ring/unique_fd.h"
#include "ring/uring_loop.h"

namespace tapring {
namespace {

constexpr std::size_t kStep = Arena::kStepBytes;

class RegisteredMemoryTest : public testing::Test {
 protected:
  Detached write(std::span<std::byte> memory, int& result) {
    result = co_await UringTransfers::Transfer(
        loop_.transfers(),
        {file_.get(), UringTransfers::Direction::write, 0, {memory.data(), memory.size()}, false});
  }

  void expect_written(std::span<std::byte> memory) {
    int result = -1;
    write(memory, result);
    while (result == -1) loop_.turn(true);
    EXPECT_EQ(result, static_cast<int>(memory.size()));
  }

  UniqueFd file_{::memfd_create("test", MFD_CLOEXEC)};
  UringLoop loop_;
  Arena arena_{3 * kStep, loop_.memory_registry()};
  std::byte* const begin_ = arena_.memory().data();
};

TEST_F(RegisteredMemoryTest, TheKernelKnowsOnlyWhatWasTaken) {
  const RegisteredMemory& memory = loop_.memory();
  EXPECT_EQ(memory.index_of(begin_, 1), 0);
  EXPECT_EQ(memory.index_of(begin_ + kStep - 512, 512), 0);
  EXPECT_EQ(memory.index_of(begin_ + kStep - 512, 1024), std::nullopt);
  EXPECT_EQ(memory.index_of(begin_ + kStep, 512), std::nullopt);
  EXPECT_EQ(memory.index_of(begin_ - 1, 1), std::nullopt);
  EXPECT_EQ(memory.index_of(begin_, 3 * kStep + 1), std::nullopt);
}

TEST_F(RegisteredMemoryTest, TransfersUseWhatIsTakenLaterAndAgain) {
  for (int round = 0; round < 2; ++round) {
    std::byte* blocks[4];
    for (std::byte*& block : blocks) block = arena_.allocate(Arena::kMaxOrder);
    for (std::byte* block : blocks) expect_written({block, 4096});
    EXPECT_EQ(loop_.memory().index_of(begin_ + kStep, kStep), 1);
    for (std::byte* block : blocks) arena_.free(block, Arena::kMaxOrder);
    arena_.give_back(1);
    EXPECT_EQ(loop_.memory().index_of(begin_ + kStep, 512), std::nullopt);
  }
}

TEST_F(RegisteredMemoryTest, WhatIsGivenBackIsNoMemoryAnyMore) {
  std::byte* blocks[3];
  for (std::byte*& block : blocks) block = arena_.allocate(Arena::kMaxOrder);
  std::byte* const last = *std::ranges::max_element(blocks);
  *last = std::byte{1};
  expect_written({last, 4096});
  for (std::byte* block : blocks) arena_.free(block, Arena::kMaxOrder);
  arena_.give_back(1);
  EXPECT_EQ(*last, std::byte{0});
}

TEST_F(RegisteredMemoryTest, SaysOnceWhyTheKernelTakesNoMore) {
  std::vector<int> errors;
  RegisteredMemory& memory = loop_.memory();
  memory.on_refusal([&errors](int error) { errors.push_back(error); });
  ::munmap(begin_ + kStep, 2 * kStep);  // nothing can be pinned there
  memory.add({begin_ + kStep, kStep});
  memory.add({begin_ + 2 * kStep, kStep});
  EXPECT_EQ(errors, std::vector{EFAULT});
  EXPECT_EQ(memory.index_of(begin_ + kStep, 512), std::nullopt);
  EXPECT_TRUE(memory.holds_any());
}

}  // namespace
}  // namespace tapring
