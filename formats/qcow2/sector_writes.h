// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/qcow2/aligned_bytes.h"
#include "formats/qcow2/metadata_map.h"
#include "formats/qcow2/table_cache.h"
#include "formats/qcow2/table_writer.h"

namespace tapring::qcow2 {

/// Sectors of tables as they were at one moment, on their way to the file: the tables go on
/// changing meanwhile. Storage writes a sector as a whole or not at all.
class SectorWrites {
 public:
  /// What is dirty of the slice of such a table, which is no more.
  void take(MetadataMap::Table table, const SliceRef& slice);

  /// A copy of `bytes`, whole sectors.
  void add(MetadataMap::Table table, uint64_t host, std::span<const std::byte> bytes);

  /// Writes all, many at once. Keeps the slices in memory until this is destroyed.
  Task<Error> write(TableWriter& tables);

  /// The slices, with all that was taken of them dirty again.
  std::vector<SliceRef> give_back();

 private:
  struct Write {
    MetadataMap::Table table;
    uint64_t host;
    AlignedBytes bytes;
    iovec whole;
  };
  struct Taken {
    SliceRef slice;
    uint32_t sectors;
  };

  std::vector<Write> writes_;
  std::vector<Taken> taken_;
};

}  // namespace tapring::qcow2
