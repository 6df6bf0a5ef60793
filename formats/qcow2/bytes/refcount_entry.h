// SPDX-License-Identifier: MIT
// Entries of a refcount block: 1 to 64 bits each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/qcow2/bytes/big_endian.h"

namespace tapring::qcow2 {

inline uint64_t load_refcount(std::span<const std::byte> block, uint64_t index,
                              uint32_t order) noexcept {
  switch (order) {
    case 3:
      return load<uint8_t>(block, index);
    case 4:
      return load<uint16_t>(block, index * 2);
    case 5:
      return load<uint32_t>(block, index * 4);
    case 6:
      return load<uint64_t>(block, index * 8);
    default:
      break;
  }
  // Within a byte the first entry has the lowest bits.
  const uint64_t bit = index << order;
  const uint32_t mask = (1U << (1U << order)) - 1;
  return uint32_t{load<uint8_t>(block, bit / 8)} >> bit % 8 & mask;
}

inline void store_refcount(std::span<std::byte> block, uint64_t index, uint32_t order,
                           uint64_t value) noexcept {
  switch (order) {
    case 3:
      return store(block, index, static_cast<uint8_t>(value));
    case 4:
      return store(block, index * 2, static_cast<uint16_t>(value));
    case 5:
      return store(block, index * 4, static_cast<uint32_t>(value));
    case 6:
      return store(block, index * 8, value);
    default:
      break;
  }
  const uint64_t bit = index << order;
  const uint32_t mask = ((1U << (1U << order)) - 1) << bit % 8;
  const uint32_t rest = load<uint8_t>(block, bit / 8) & ~mask;
  store(block, bit / 8, static_cast<uint8_t>(rest | (static_cast<uint32_t>(value) << bit % 8)));
}

}  // namespace tapring::qcow2
