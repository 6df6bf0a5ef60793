// SPDX-License-Identifier: MIT
// Pieces of L2 tables or of refcount blocks in memory, read when they are first asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>

#include "formats/clusters/aligned_bytes.h"
#include "formats/clusters/grace_periods.h"
#include "formats/clusters/host_file.h"
#include "formats/qcow2/bytes/layout.h"
#include "ring/loop.h"
#include "ring/sizes.h"
#include "ring/waiting.h"

namespace tapring {

/// A piece of a table. Whoever holds a SliceRef keeps it in memory.
struct TableSlice {
  TableSlice(Loop& loop, uint64_t host_offset, uint64_t size)
      : host(host_offset), bytes(size), loaded(loop) {}

  uint64_t host;  ///< where it is in the file
  AlignedBytes bytes;
  uint32_t dirty_sectors = 0;  ///< a bit for each that is not in the file as it is here
  uint64_t generation = 0;     ///< of a cluster map: the batch that has its last change
  bool loading = false;
  Error error;  ///< of its loading
  WaitQueue loaded;
  std::list<std::shared_ptr<TableSlice>>::iterator place;
};
static_assert(qcow2::Layout::kMaxSliceBytes / kSectorBytes <= 32, "a bit for each sector");

using SliceRef = std::shared_ptr<TableSlice>;

class TableCache {
 public:
  /// Keeps at most `budget_bytes` of slices that nobody holds and that are not dirty, and one more.
  /// `grace_periods`: what reads of the file are under way.
  TableCache(Loop& loop, HostFile& file, uint64_t slice_bytes, uint64_t budget_bytes,
             GracePeriods& grace_periods) noexcept
      : loop_(loop),
        file_(file),
        slice_bytes_(slice_bytes),
        budget_bytes_(budget_bytes),
        grace_periods_(grace_periods) {}

  /// The slice that begins at `host` of the file, valid until the next await; nullptr unless it is
  /// in memory.
  TableSlice* find(uint64_t host) noexcept;

  Task<Result<SliceRef>> load(uint64_t host);

  /// Tells that there is a new table at `host`, with this content: slices of a former one that are
  /// in memory take it over.
  void replace(uint64_t host, std::span<const std::byte> content) noexcept;

  uint64_t held_bytes() const noexcept { return slices_.size() * slice_bytes_; }

 private:
  void make_room() noexcept;

  Loop& loop_;
  HostFile& file_;
  uint64_t slice_bytes_;
  uint64_t budget_bytes_;
  GracePeriods& grace_periods_;
  std::list<SliceRef> by_use_;  ///< the last used first
  std::unordered_map<uint64_t, TableSlice*> slices_;
};

}  // namespace tapring
