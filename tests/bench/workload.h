// SPDX-License-Identifier: MIT
// What a benchmark asks of the disks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ring/blkif.h"
#include "ring/grants.h"

namespace tapring::bench {

/// What is written, every byte of it: zeros could be treated apart.
inline constexpr std::byte kContent{0x5a};

struct Workload {
  enum class Operation : uint8_t { read, write, mixed };  ///< mixed: half of each
  enum class Access : uint8_t { random, sequential };

  Operation operation = Operation::read;
  Access access = Access::random;
  uint32_t block_bytes = 4096;  ///< a power of two of at least 512
  uint32_t depth = 32;          ///< requests at a time, of each queue
  uint32_t queues = 1;          ///< of each disk
  uint32_t disks = 1;

  /// Segments of a request.
  constexpr uint32_t segments() const noexcept {
    return static_cast<uint32_t>((block_bytes + kPageBytes - 1) / kPageBytes);
  }

  /// Pages of each ring: the fewest that hold `depth` requests.
  constexpr uint32_t ring_pages() const noexcept {
    uint32_t pages = 1;
    while (ring_entries(Abi::x86_64, pages) < depth) pages *= 2;
    return pages;
  }
};

}  // namespace tapring::bench
