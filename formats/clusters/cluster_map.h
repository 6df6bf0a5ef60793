// SPDX-License-Identifier: MIT
// Where the guest's clusters are: the L1 table, in memory, and the L2 tables by way of a cache.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "formats/clusters/l1_entries.h"
#include "formats/clusters/metadata_batch.h"
#include "formats/clusters/table_cache.h"
#include "formats/qcow2/bytes/entry.h"

namespace tapring {

class ClusterMap {
 public:
  struct L1Table {
    L1Entries entries;    ///< as many as the disk needs
    uint64_t offset = 0;  ///< where it is in the file
    /// Its first and last sectors as they were read, where it has only a part of them; else empty.
    AlignedBytes first_sector;
    AlignedBytes last_sector;
    bool little_endian = false;
  };

  ClusterMap(const qcow2::Layout& layout, L1Table l1, TableCache& cache) noexcept
      : layout_(layout), l1_(std::move(l1)), cache_(cache) {}

  /// What begins at `offset`, at least one byte and at most `bytes`; nullopt if that has to be
  /// read from the file first.
  std::optional<Extent> cached_extent(uint64_t offset, uint64_t bytes) noexcept;

  /// As cached_extent(), from the file where needed.
  Task<Result<Extent>> extent(uint64_t offset, uint64_t bytes);

  // Changes are seen at once, and stay in memory until a batch of them is written.

  uint64_t l1_index(uint64_t offset) const noexcept { return offset / layout_.l2_covers(); }
  qcow2::L1Entry l1_entry(uint64_t index) const noexcept { return l1_.entries[index]; }
  /// Puts an L2 table into the map that is in the file already, with this content.
  void set_table(uint64_t index, uint64_t host, std::span<const std::byte> content);

  /// There is an L2 table for the offset.
  Task<Result<SliceRef>> slice(uint64_t offset);
  qcow2::Entry entry(const TableSlice& slice, uint64_t offset) const noexcept {
    return qcow2::Entry::parse(layout_,
                               load_words(layout_, slice.bytes.span(), slice_index(offset)),
                               layout_.cluster_begin(offset));
  }
  void set_entry(const SliceRef& slice, uint64_t offset, const qcow2::Entry& entry);

  /// Entries from the one of `offset` to the end of its slice.
  uint64_t entries_left(uint64_t offset) const noexcept {
    return layout_.l2_slice_entries() - slice_index(offset);
  }

  /// The batch of changes that is being collected now, as a number that only grows.
  uint64_t generation() const noexcept { return collected_generation_ + 1; }

  std::size_t dirty_slices() const noexcept { return dirty_.size(); }
  /// Copies all that is dirty into the batch, and begins the next generation. Throws
  /// std::bad_alloc, and then changes nothing.
  void collect_dirty(MetadataBatch& batch);
  /// After a batch that could not be written: what is in it is dirty again.
  void restore_dirty(MetadataBatch& batch) noexcept;
  /// After a batch that was written.
  void mark_written() noexcept;

 private:
  uint64_t slice_host(uint64_t offset) const noexcept;
  uint64_t slice_index(uint64_t offset) const noexcept {
    return (offset >> layout_.cluster_bits) % layout_.l2_slice_entries();
  }
  AlignedBytes l1_sector(uint64_t sector) const;
  Extent without_table(uint64_t offset, uint64_t bytes) const noexcept;

  qcow2::Layout layout_;
  L1Table l1_;
  TableCache& cache_;
  uint64_t collected_generation_ = 0;
  DirtySlices dirty_;
  std::set<uint64_t> dirty_l1_;        ///< sectors of the L1 table
  std::set<uint64_t> writing_l1_;      ///< while they are being written
};

}  // namespace tapring
