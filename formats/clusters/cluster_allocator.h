// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "ring/error.h"
#include "ring/task.h"

namespace tapring {

/// Clusters of the file that follow each other.
struct HostRange {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// Which clusters of an image's file are free.
///
/// Its changes may reach the file at any time. So a cluster is allocated before anything in the
/// file refers to it, and released only when nothing does any more, not even after a power cut.
class ClusterAllocator {
 public:
  struct Allocation {
    HostRange range;
    bool known_zero = false;  ///< never written: reads as zeros
  };

  virtual ~ClusterAllocator() = default;

  /// At least one cluster and at most `clusters` that follow each other, each with one reference
  /// now. An empty range if the file would have to grow and may not.
  virtual Task<Result<Allocation>> allocate(uint64_t clusters, bool may_grow) = 0;

  /// Drops one reference of each cluster that the range touches. Those without any then may be
  /// allocated again. A cluster whose refcount is invalid or cannot be read stays allocated; the
  /// others are released all the same, and the first such error is returned.
  virtual Task<Error> release(HostRange range) = 0;

  /// Free clusters that still take room of the storage, for a hole to be punched there: they are
  /// not allocated until end_punch(). An empty range if there are none.
  virtual HostRange take_to_punch(uint64_t /*most_bytes*/) { return {}; }
  virtual void end_punch(HostRange /*range*/, bool /*punched*/) {}
  /// How many runs of clusters take_to_punch() would still give.
  virtual std::size_t waiting_for_punch() const noexcept { return 0; }

  /// Writes what has changed in memory to the file. It is durable once the file was synced.
  virtual Task<Error> write_dirty() = 0;

  /// So much waits for write_dirty() that a commit is due before more is changed.
  virtual bool must_commit() const noexcept = 0;
};

}  // namespace tapring
