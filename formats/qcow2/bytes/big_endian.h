// SPDX-License-Identifier: MIT
// All numbers of qcow2 are big-endian.
#pragma once

#include <bit>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tapring::qcow2 {

template <std::unsigned_integral Number>
constexpr Number to_big(Number number) noexcept {
  if constexpr (std::endian::native == std::endian::little && sizeof(Number) > 1) {
    return std::byteswap(number);
  }
  return number;
}

template <std::unsigned_integral Number>
Number load(std::span<const std::byte> bytes, std::size_t at) noexcept {
  assert(at + sizeof(Number) <= bytes.size());
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return to_big(number);
}

template <std::unsigned_integral Number>
void store(std::span<std::byte> bytes, std::size_t at, Number number) noexcept {
  assert(at + sizeof(Number) <= bytes.size());
  const Number big = to_big(number);
  std::memcpy(bytes.data() + at, &big, sizeof big);
}

}  // namespace tapring::qcow2
