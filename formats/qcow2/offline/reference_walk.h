// SPDX-License-Identifier: MIT
// Counts what an image's tables refer to, except the refcount tables (refcount_check.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "formats/findings.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/bytes/snapshot_table.h"
#include "formats/qcow2/offline/l2_tables.h"
#include "formats/qcow2/offline/reference_counts.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// Whether the range lies in the file, of whose last cluster a part may be missing.
bool lies_inside(const OpenFile& file, const Layout& layout, uint64_t offset,
                 uint64_t bytes) noexcept;

/// Follows each table once, however often it is referred to: so the size of the file bounds the
/// time.
class ReferenceWalk {
 public:
  ReferenceWalk(const OpenFile& file, const Header& header, ReferenceCounts& counts,
                Findings& findings, uint64_t max_bytes);

  /// Counts the header, L1 tables, snapshots and bitmaps. Throws std::system_error where the file
  /// cannot be read, and TooMuchMemory.
  void count_tables(const SnapshotTable& snapshots);

  /// The L2 tables that the L1 tables lead to.
  std::span<const L2Table> l2_tables() { return l2_tables_.sorted(); }

  /// Counts the clusters that an L2 table maps.
  void count_mapped(const L2Table& table);

  /// After everything is counted: finds tables that share a cluster with something else.
  void check_overlaps();

  /// After check_overlaps(): whether something is wrong with the bitmaps: QEMU opens no such image.
  bool bitmaps_damaged() const noexcept { return bitmaps_damaged_; }

  /// After check_overlaps(): whether this is the L1 table of the disk or of a snapshot and shares
  /// its clusters with nothing, so that it may be written.
  bool may_write_l1(uint64_t offset) const noexcept;
  /// Likewise of an L2 table: no other table and no data are there.
  bool may_write(const L2Table& table) const noexcept {
    return !std::ranges::binary_search(overlapping_l2_, table.offset);
  }

  /// How many entries lead out of the file.
  uint64_t dangling() const noexcept { return dangling_; }

 private:
  /// Counts the clusters of a table. False, and a finding, if it cannot be followed.
  bool claim(const std::string& what, uint64_t offset, uint64_t bytes);
  void count(uint64_t offset, uint64_t bytes, uint64_t times);
  void count_l1(const std::string& what, uint64_t offset, uint32_t entries, bool active);
  void count_bitmaps(const BitmapsExtension& extension);
  void count_bitmap(const std::string& what, uint64_t offset, uint32_t entries);
  void count_entry(const L2Table& table, uint64_t index, const EntryWords& entry);
  const char* fault_of(const EntryWords& entry) const noexcept;

  const OpenFile& file_;
  const Header& header_;
  const Layout& layout_;
  ReferenceCounts& counts_;
  Findings& findings_;
  L2Tables l2_tables_;
  std::map<uint64_t, uint64_t> claimed_;  ///< tables that are no L2 tables: begin and end
  std::set<uint64_t> bitmap_tables_;      ///< that could be followed
  std::set<uint64_t> l1_tables_;          ///< that could be followed; then: that may be written
  std::vector<uint64_t> overlapping_l2_;  ///< where those are, in order
  uint64_t dangling_ = 0;
  bool bitmaps_damaged_ = false;
};

}  // namespace tapring::qcow2
