// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "formats/clusters/aligned_bytes.h"
#include "formats/clusters/metadata_map.h"
#include "formats/clusters/table_cache.h"
#include "formats/clusters/table_writer.h"

namespace tapring {

/// A slice that differs from the file; while it is being written, which sectors are.
struct DirtySlice {
  SliceRef slice;
  uint32_t taken = 0;
};
/// A list, as to give slices from one to another must not need memory.
using DirtySlices = std::list<DirtySlice>;

/// Sectors of tables as they were at one moment, on their way to the file: the tables go on
/// changing meanwhile. Storage writes a sector as a whole or not at all.
class SectorWrites {
 public:
  /// What is dirty of the slices of such a table, which are no more. Where there is no memory for
  /// that they stay as they are.
  void take(MetadataMap::Table table, DirtySlices& dirty);

  /// A copy of `bytes`, whole sectors.
  void add(MetadataMap::Table table, uint64_t host, std::span<const std::byte> bytes);

  /// Writes all, many at once. Keeps the slices in memory until this is destroyed.
  Task<Error> write(TableWriter& tables);

  /// The slices, with all that was taken of them dirty again.
  void give_back(DirtySlices& dirty) noexcept;

 private:
  struct Write {
    MetadataMap::Table table;
    uint64_t host;
    AlignedBytes bytes;
    iovec whole;
  };

  void copy(MetadataMap::Table table, const Slice& slice);

  std::vector<Write> writes_;
  DirtySlices taken_;
};

}  // namespace tapring
