// SPDX-License-Identifier: MIT
// What of a file would be lost with the power: the contents that its sectors had since they were
// last made durable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "tests/sim/random.h"

namespace tapring::sim {

class SimWriteCache {
 public:
  /// Around each change of a file, which `number` orders among all of them.
  void before_write(int fd, uint64_t offset, uint64_t bytes);
  void after_write(int fd, uint64_t offset, uint64_t bytes, uint64_t number);

  /// The writes up to `number` are durable.
  void synced(uint64_t number);

  /// Gives each sector that is not durable one of its contents, old or new: writes are lost, torn
  /// between sectors and reordered.
  void lose_some(int fd, Random& random);

 private:
  static constexpr uint64_t kSector = 512;

  struct Version {
    uint64_t number;  ///< of the write; 0: what was durable before
    std::array<std::byte, kSector> content;
  };

  static Version read(int fd, uint64_t sector, uint64_t number);

  std::map<uint64_t, std::vector<Version>> sectors_;  ///< the durable version first
};

}  // namespace tapring::sim
