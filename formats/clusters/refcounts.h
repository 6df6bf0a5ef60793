// SPDX-License-Identifier: MIT
// How many references each cluster of the file has, and which are free.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/clusters/cluster_allocator.h"
#include "formats/clusters/free_clusters.h"
#include "formats/clusters/header_sector.h"
#include "formats/clusters/metadata_batch.h"
#include "formats/clusters/metadata_regions.h"
#include "formats/clusters/table_cache.h"
#include "formats/clusters/table_writer.h"
#include "formats/qcow2/bytes/layout.h"
#include "ring/waiting.h"

namespace tapring {

class Refcounts final : public ClusterAllocator {
 public:
  /// So many dirty slices may wait to be written, and those that one commit adds.
  static constexpr std::size_t kMaxDirty = 64;
  /// Memory for slices that nobody needs at the moment.
  static constexpr uint64_t kCacheBytes = uint64_t{1} << 20;

  struct Place {
    std::vector<uint64_t> table;  ///< entries of the refcount table, checked
    uint64_t offset = 0;          ///< where it is in the file
  };

  Refcounts(Loop& loop, const qcow2::Layout& layout, HostFile& file, TableWriter& tables,
            HeaderSector& header, MetadataRegions& metadata, GracePeriods& grace_periods,
            Place place);

  Task<Result<Allocation>> allocate(uint64_t clusters, bool may_grow) override;
  Task<Error> release(HostRange range) override;
  HostRange take_to_punch(uint64_t most_bytes) override;
  void end_punch(HostRange range, bool punched) override;
  std::size_t waiting_for_punch() const noexcept override { return free_.filled_runs(); }
  Task<Error> write_dirty() override;
  bool must_commit() const noexcept override { return dirty_.size() >= kMaxDirty; }

 private:
  uint64_t clusters_counted() const noexcept {
    return place_.table.size() * layout_.refcount_block_entries();
  }
  uint64_t slice_host(uint64_t cluster) const noexcept;
  uint64_t get(const TableSlice& slice, uint64_t cluster) const noexcept;
  void set(const SliceRef& slice, uint64_t cluster, uint64_t refcount);

  bool is_free(const TableSlice& slice, uint64_t cluster) const noexcept;
  Task<Error> release_in_slice(uint64_t first, uint64_t end);
  Task<Result<Allocation>> take(uint64_t first, uint64_t clusters);
  Task<Result<Allocation>> take_released(uint64_t clusters);
  Task<Error> make_block(uint64_t table_index);
  Task<Error> write_block(uint64_t table_index, uint64_t offset, AlignedBytes& block);
  Task<Error> grow_table();
  Task<Error> settle_header();
  void set_in_header(uint64_t table, uint64_t bytes) noexcept;
  Task<Error> write_grown(uint64_t first, uint64_t blocks, std::vector<uint64_t> table);

  qcow2::Layout layout_;
  TableWriter& tables_;
  HeaderSector& header_;
  MetadataRegions& metadata_;
  Place place_;
  TableCache cache_;
  DirtySlices dirty_;
  FreeClusters free_;   ///< those that were released
  uint64_t next_ = 0;   ///< clusters before it are taken, or in free_, or it has forgotten them
  bool header_unsure_ = false;  ///< in the file it may name a table that was not taken into use
  uint64_t first_never_written_;  ///< from this cluster on the file has never been written
  RangeLock allocating_;
  RangeLock writing_;
};

}  // namespace tapring
