// SPDX-License-Identifier: MIT
#include "ring/scratch_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "ring/sizes.h"

namespace tapring {
namespace {

TEST(ScratchPages, AreWholePagesOfTheirOwn) {
  std::vector<ScratchPages> all;
  for (const std::size_t bytes : {1U, 4096U, 4097U, 1U << 20U, (1U << 20U) + 8192U, 5U << 20U}) {
    ScratchPages& memory = all.emplace_back(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data()) % kPageBytes, 0U);
    std::memset(memory.data(), static_cast<int>(all.size()), bytes);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(std::to_integer<std::size_t>(*all[i].data()), i + 1);
  }
}

TEST(ScratchPages, AreKeptForTheNextOneOfTheThread) {
  const std::byte* data = nullptr;
  {
    const ScratchPages memory(10'000);
    data = memory.data();
  }
  const ScratchPages again(16'384);
  EXPECT_EQ(again.data(), data);
  const ScratchPages other(16'384);
  EXPECT_NE(other.data(), data);
}

TEST(ScratchPages, MayEndOnAnotherThread) {
  auto memory = std::make_unique<ScratchPages>(4096);
  std::thread([&] { memory.reset(); }).join();
  const ScratchPages again(4096);
  std::memset(again.data(), 1, 4096);
}

}  // namespace
}  // namespace tapring
