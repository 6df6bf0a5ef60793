// SPDX-License-Identifier: MIT
// What a benchmark's guest asks of its disks, and where.
#pragma once

#include <cstdint>

#include "ring/grants.h"
#include "tests/sim/random.h"

namespace tapring::pretend {

struct StreamWork {
  enum class Operation : uint8_t { read, write, mixed };

  Operation operation = Operation::read;  ///< mixed: half of them are writes
  bool sequential = false;
  uint32_t block_bytes = 4096;  ///< sectors of 512 bytes, up to 256 pages
  uint32_t depth = 32;          ///< requests of a queue at a time
  uint32_t queues = 1;          ///< of a disk
  bool polls = false;           ///< the guest looks at all rings again and again, and never sleeps

  uint32_t block_sectors() const noexcept { return block_bytes / 512; }
  uint32_t pages() const noexcept {  ///< of a request
    return static_cast<uint32_t>((block_bytes + kPageBytes - 1) / kPageBytes);
  }
  /// Of the smallest ring that has room for `depth`; one of a page has 32 entries.
  unsigned ring_order() const noexcept;
};

/// One request after the other of a queue.
class StreamPlan {
 public:
  struct Step {
    bool writes;
    uint64_t sector;
  };

  /// Of the queue number `queue`: sequential ones begin at different places of the disk, which has
  /// room for at least one block.
  StreamPlan(const StreamWork& work, uint64_t disk_sectors, uint32_t queue);

  Step next() noexcept;

 private:
  StreamWork work_;
  uint64_t blocks_;
  uint64_t block_;
  sim::Random random_;
};

}  // namespace tapring::pretend
