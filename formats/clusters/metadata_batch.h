// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "formats/clusters/aligned_bytes.h"
#include "formats/clusters/metadata_regions.h"
#include "formats/clusters/table_cache.h"
#include "formats/clusters/table_writer.h"

namespace tapring {

/// A slice that differs from its file, and which of its sectors are in a batch that is being
/// written.
struct DirtySlice {
  SliceRef slice;
  uint32_t collected = 0;
};
/// A list: moving slices from one to another must not need memory, as it may undo a failure.
using DirtySlices = std::list<DirtySlice>;

/// Copies of the sectors of tables that changed, as they were at one moment: the tables go on
/// changing while these are written. Storage writes a sector as a whole or not at all.
class MetadataBatch {
 public:
  /// Copies the dirty sectors of these slices, which are tables of this kind, and takes the slices
  /// over. Throws std::bad_alloc, and then changes nothing.
  void collect(MetadataRegions::Table table, DirtySlices& dirty);

  /// Copies `bytes`, whole sectors that are to be written at `host`.
  void add(MetadataRegions::Table table, uint64_t host, std::span<const std::byte> bytes);

  /// Writes all copies, many at once. The slices stay in memory until this is destroyed: nobody may
  /// read them from the file meanwhile.
  Task<Error> write(TableWriter& tables);

  /// Undoes collect() after a failure: gives the slices back, their sectors dirty again.
  void restore(DirtySlices& dirty) noexcept;

 private:
  struct Write {
    MetadataRegions::Table table;
    uint64_t host;
    AlignedBytes bytes;
    iovec whole;
  };

  void copy(MetadataRegions::Table table, const TableSlice& slice);

  std::vector<Write> writes_;
  DirtySlices collected_;
};

}  // namespace tapring
