// SPDX-License-Identifier: MIT
#pragma once

#include "formats/clusters/cluster_allocator.h"
#include "formats/qcow2/bytes/layout.h"

namespace tapring {

/// For an image that counts no references: new clusters are at the end of its file, and none is
/// used again.
class AppendAllocator final : public ClusterAllocator {
 public:
  AppendAllocator(const qcow2::Layout& layout, uint64_t file_bytes) noexcept
      : layout_(layout), next_(layout.round_up(file_bytes)) {}

  /// Always as many clusters as are asked for.
  Task<Result<Allocation>> allocate(uint64_t clusters, bool may_grow) override;
  Task<Error> release(HostRange /*range*/) override { co_return Error{}; }
  Task<Error> write_dirty() override { co_return Error{}; }
  bool must_commit() const noexcept override { return false; }

 private:
  qcow2::Layout layout_;
  uint64_t next_;
};

}  // namespace tapring
