// SPDX-License-Identifier: MIT
// What of a file would be lost with the power: the contents that its blocks had since they were
// last made durable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "tests/sim/random.h"

namespace tapring::sim {

class SimWriteCache {
 public:
  /// The storage writes a block of this size as a whole or not at all.
  explicit SimWriteCache(uint32_t block_bytes) noexcept : block_bytes_(block_bytes) {}

  /// Around each change of a file, which `number` orders among all of them.
  void before_write(int fd, uint64_t offset, uint64_t bytes);
  void after_write(int fd, uint64_t offset, uint64_t bytes, uint64_t number);

  /// The writes up to `number` are durable.
  void synced(uint64_t number);

  /// A sync of the writes up to `number` failed. As a kernel does, this takes their blocks for
  /// clean: no later sync makes them durable, unless they are written again.
  void sync_failed(uint64_t number);

  /// Nobody has the file open any more: blocks whose last write a failed sync has given up fall
  /// back to one of their contents, old or new.
  void drop_given_up(int fd, Random& random);

  /// Gives each block that is not durable one of its contents, old or new: writes are lost, torn
  /// between blocks and reordered.
  void lose_some(int fd, Random& random);

 private:
  struct Version {
    uint64_t number;  ///< of the write; 0: what was durable before
    std::vector<std::byte> content;
    bool given_up = false;  ///< its sync failed
  };

  Version read(int fd, uint64_t block, uint64_t number) const;
  void write(int fd, uint64_t block, const Version& version) const;

  uint64_t block_bytes_;
  std::map<uint64_t, std::vector<Version>> blocks_;  ///< the durable version first
};

}  // namespace tapring::sim
