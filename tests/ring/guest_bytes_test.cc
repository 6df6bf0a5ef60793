// SPDX-License-Identifier: MIT
#include "ring/guest_bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace tapring {
namespace {

TEST(GuestBytes, AreWholePagesOfTheirOwn) {
  std::vector<GuestBytes> all;
  for (const std::size_t bytes : {1U, 4096U, 4097U, 1U << 20U, (1U << 20U) + 8192U, 5U << 20U}) {
    GuestBytes& memory = all.emplace_back(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data()) % GuestBytes::kPageBytes, 0U);
    std::memset(memory.data(), static_cast<int>(all.size()), bytes);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(std::to_integer<std::size_t>(*all[i].data()), i + 1);
  }
}

TEST(GuestBytes, AreKeptForTheNextOneOfTheThread) {
  const std::byte* data = nullptr;
  {
    const GuestBytes memory(10'000);
    data = memory.data();
  }
  const GuestBytes again(16'384);
  EXPECT_EQ(again.data(), data);
  const GuestBytes other(16'384);
  EXPECT_NE(other.data(), data);
}

TEST(GuestBytes, MayEndOnAnotherThread) {
  auto memory = std::make_unique<GuestBytes>(4096);
  std::thread([&] { memory.reset(); }).join();
  const GuestBytes again(4096);
  std::memset(again.data(), 1, 4096);
}

}  // namespace
}  // namespace tapring
