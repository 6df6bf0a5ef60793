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
/// What it changes may go to the file at any time: a cluster is taken before anything in the file
/// refers to it, and released only when nothing does any more, not even after a power cut.
class ClusterAllocator {
 public:
  struct Allocation {
    HostRange range;
    bool known_zero = false;  ///< never written: reads as zeros
  };

  virtual ~ClusterAllocator() = default;

  /// At least one cluster and at most `clusters` that follow each other, each now with one
  /// reference. None where the file would have to grow, unless it may.
  virtual Task<Result<Allocation>> allocate(uint64_t clusters, bool may_grow) = 0;

  /// Takes one reference from each cluster that the range touches. Those that have none then may
  /// be allocated again. The others go on where one has a fault, or cannot be read: it stays taken,
  /// and the first such error is told.
  virtual Task<Error> release(HostRange range) = 0;

  /// Free clusters for which the storage still has room, to be punched: they are not allocated
  /// until end_punch(). An empty range if there are none.
  virtual HostRange take_to_punch(uint64_t /*most_bytes*/) { return {}; }
  virtual void end_punch(HostRange /*range*/, bool /*punched*/) {}
  /// Runs of clusters that take_to_punch() would give.
  virtual std::size_t waiting_for_punch() const noexcept { return 0; }

  /// Writes what is not in the file as it is in memory. Not durable before the file is synced.
  virtual Task<Error> write_dirty() = 0;

  /// Enough waits for write_dirty().
  virtual bool must_commit() const noexcept = 0;
};

}  // namespace tapring
