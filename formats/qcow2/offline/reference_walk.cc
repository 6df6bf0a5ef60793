// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/reference_walk.h"

#include <algorithm>

#include "formats/clusters/blocking_io.h"
#include "formats/clusters/table_words.h"
#include "formats/qcow2/bytes/bitmap_directory.h"
#include "formats/qcow2/offline/table_entries.h"

namespace tapring::qcow2 {
namespace {

std::string at_byte(uint64_t offset) {
  return " at byte " + std::to_string(offset);
}

std::string entry_of(const L2Table& table, uint64_t index) {
  return "entry " + std::to_string(index) + " of the L2 table" + at_byte(table.offset);
}

}  // namespace

bool lies_inside(const OpenFile& file, const Layout& layout, uint64_t offset,
                 uint64_t bytes) noexcept {
  if (offset > INT64_MAX - bytes) return false;
  const uint64_t end = offset + bytes;
  return end <= file.size_bytes || end - file.size_bytes < layout.cluster_bytes();
}

ReferenceWalk::ReferenceWalk(const OpenFile& file, const Header& header, ReferenceCounts& counts,
                             Findings& findings, uint64_t max_bytes)
    : file_(file),
      header_(header),
      layout_(header.layout),
      counts_(counts),
      findings_(findings),
      l2_tables_(max_bytes) {}

void ReferenceWalk::count(uint64_t offset, uint64_t bytes, uint64_t times) {
  if (bytes == 0) return;
  const uint64_t last = (offset + bytes - 1) >> layout_.cluster_bits;
  for (uint64_t cluster = offset >> layout_.cluster_bits; cluster <= last; ++cluster) {
    counts_.add(cluster, times);
  }
}

bool ReferenceWalk::claim(const std::string& what, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return true;
  const uint64_t end = offset + layout_.round_up(bytes);
  if (layout_.in_cluster(offset) != 0 || !lies_inside(file_, layout_, offset, end - offset)) {
    findings_.lost_table([&] {
      const bool aligned = layout_.in_cluster(offset) == 0;
      return what + at_byte(offset) +
             (aligned ? " is outside the file" : " does not begin at a cluster");
    });
    return false;
  }
  const auto next = claimed_.lower_bound(offset);
  if ((next != claimed_.end() && next->first < end) ||
      (next != claimed_.begin() && std::prev(next)->second > offset)) {
    findings_.lost_table([&] { return what + at_byte(offset) + " overlaps another table"; });
    return false;
  }
  claimed_.emplace(offset, end);
  count(offset, end - offset, 1);
  return true;
}

void ReferenceWalk::count_tables(const SnapshotTable& snapshots) {
  claim("the header", 0, layout_.cluster_bytes());
  count_l1("the L1 table", header_.l1_offset, header_.l1_entries, true);
  for (const std::string& fault : snapshots.faults) findings_.lost_table([&] { return fault; });
  for (const std::string& flaw : snapshots.flaws) findings_.corruption([&] { return flaw; });
  claim("the snapshot table", header_.snapshots_offset, snapshots.bytes);
  for (const Snapshot& snapshot : snapshots.snapshots) {
    count_l1("the L1 table of a snapshot", snapshot.l1_offset, snapshot.l1_entries, false);
  }
  // Without the bit the bitmaps are not kept up to date, and their clusters count as leaked.
  if (header_.bitmaps && (header_.autoclear & Feature::kBitmaps) != 0) {
    const uint64_t before = findings_.corruptions();
    count_bitmaps(*header_.bitmaps);
    bitmaps_damaged_ = findings_.corruptions() > before;
  }
}

void ReferenceWalk::count_l1(const std::string& what, uint64_t offset, uint32_t entries,
                             bool active) {
  if (!claim(what, offset, uint64_t{entries} * 8)) return;
  l1_tables_.insert(offset);
  const auto count_entry_of_l1 = [&](uint64_t index, const EntryWords& words) {
    const uint64_t word = words.word;
    const auto entry = [&] {
      return "entry " + std::to_string(index) + " of " + what + at_byte(offset);
    };
    if ((word & EntryBits::kReservedL1) != 0) {
      findings_.corruption([&] { return entry() + " has reserved bits set"; });
    }
    const uint64_t table = word & EntryBits::kOffset;
    if (table == 0) return;
    if (layout_.in_cluster(table) != 0) {
      findings_.lost_table([&] { return entry() + " leads to no beginning of a cluster"; });
    } else if (!lies_inside(file_, layout_, table, layout_.cluster_bytes())) {
      ++dangling_;
      findings_.lost_table([&] { return entry() + " leads out of the file"; });
    } else {
      counts_.add(table >> layout_.cluster_bits, 1);
      l2_tables_.add(table, active, index);
    }
  };
  for_each_entry(file_, layout_, EntryTable::l1(offset, entries), nullptr, count_entry_of_l1);
}

void ReferenceWalk::count_bitmaps(const BitmapsExtension& extension) {
  if (const auto fault = bitmap_directory_fault(header_)) {
    findings_.lost_table([&] { return *fault; });
    return;
  }
  if (!claim("the bitmap directory", extension.directory_offset, extension.directory_bytes)) return;
  bitmap_tables_.insert(extension.directory_offset);
  const AlignedBytes bytes =
      read_bytes(file_, extension.directory_offset, extension.directory_bytes);
  const auto bitmaps = parse_bitmaps(bytes.span(), header_);
  if (!bitmaps) {
    findings_.lost_table([&] { return bitmaps.error(); });
    return;
  }
  for (const Bitmap& bitmap : *bitmaps) {
    count_bitmap("the table of a bitmap", bitmap.table_offset, bitmap.table_entries);
  }
}

void ReferenceWalk::count_bitmap(const std::string& what, uint64_t offset, uint32_t entries) {
  if (!claim(what, offset, uint64_t{entries} * 8)) return;
  bitmap_tables_.insert(offset);
  for_each_word(file_, offset, entries, [&](uint64_t index, uint64_t word) {
    const uint64_t data = word & BitmapTableEntry::kOffset;
    const auto entry = [&] {
      return "entry " + std::to_string(index) + " of " + what + at_byte(offset);
    };
    if ((word & BitmapTableEntry::kReserved) != 0 || (data != 0 && (word & 1) != 0)) {
      findings_.corruption([&] { return entry() + " has reserved bits set"; });
    }
    if (data == 0) return;
    if (layout_.in_cluster(data) != 0 ||
        !lies_inside(file_, layout_, data, layout_.cluster_bytes())) {
      findings_.corruption([&] { return entry() + " leads to no cluster of the file"; });
      return;
    }
    counts_.add(data >> layout_.cluster_bits, 1);
  });
}

void ReferenceWalk::count_mapped(const L2Table& table) {
  for_each_entry(
      file_, layout_, EntryTable::l2(layout_, table.offset), nullptr,
      [&](uint64_t index, const EntryWords& entry) { count_entry(table, index, entry); });
}

void ReferenceWalk::check_overlaps() {
  const auto overlaps = [this](const char* what, uint64_t offset) {
    findings_.corruption([&] { return what + at_byte(offset) + " overlaps something else"; });
  };
  for (const auto& [begin, end] : claimed_) {
    for (uint64_t at = begin; at < end; at += layout_.cluster_bytes()) {
      if (counts_.of(at >> layout_.cluster_bits) == 1) continue;
      l1_tables_.erase(begin);
      bitmaps_damaged_ = bitmaps_damaged_ || bitmap_tables_.contains(begin);
      overlaps("a table", at);
    }
  }
  for (const L2Table& table : l2_tables()) {
    const bool is_alone = counts_.of(table.offset >> layout_.cluster_bits) == table.references;
    if (!is_alone) overlapping_l2_.push_back(table.offset);
    if (!is_alone || table.active > 1) overlaps("the L2 table", table.offset);
  }
}

bool ReferenceWalk::may_write_l1(uint64_t offset) const noexcept {
  return l1_tables_.contains(offset);
}

/// What is wrong with the entry apart from where it leads; nullptr if nothing is.
const char* ReferenceWalk::fault_of(const EntryWords& entry) const noexcept {
  constexpr uint64_t kReserved = 0x3F00'0000'0000'01FE;
  if (entry.compressed()) {
    if (layout_.external_data) return "is compressed, and the data are in another file";
    return entry.subclusters != 0 ? "is compressed, and has subclusters" : nullptr;
  }
  if ((entry.word & kReserved) != 0) return "has reserved bits set";
  if (!layout_.extended_l2) {
    const bool zero = (entry.word & EntryBits::kZero) != 0;
    return zero && layout_.version < 3 ? "is a zero cluster, which version 2 has not" : nullptr;
  }
  if ((entry.word & EntryBits::kZero) != 0) return "has reserved bits set";
  const auto allocated = static_cast<uint32_t>(entry.subclusters);
  const auto zero = static_cast<uint32_t>(entry.subclusters >> Layout::kSubclusters);
  if ((allocated & zero) != 0 || (allocated != 0 && !entry.has_host(layout_))) {
    return "has subclusters that cannot be";
  }
  return nullptr;
}

void ReferenceWalk::count_entry(const L2Table& table, uint64_t index, const EntryWords& entry) {
  if (const char* fault = fault_of(entry)) {
    findings_.corruption([&] { return entry_of(table, index) + ' ' + fault; });
  }
  uint64_t offset = entry.host();
  uint64_t bytes = layout_.cluster_bytes();
  if (entry.compressed()) {
    const CompressedPlace place = compressed_place(layout_, entry.word);
    offset = place.offset;
    bytes = place.bytes;
  } else if (layout_.in_cluster(offset) != 0) {
    findings_.corruption(
        [&] { return entry_of(table, index) + " leads to no beginning of a cluster"; });
    return;
  }
  if (layout_.external_data) {
    const uint64_t guest = table.l1_index * layout_.l2_covers() + (index << layout_.cluster_bits);
    if (entry.has_host(layout_) && offset != guest) {
      findings_.corruption([&] {
        return entry_of(table, index) + " leads to byte " + std::to_string(offset) +
               " of the data file, not to byte " + std::to_string(guest) + " as on the disk";
      });
    }
    return;
  }
  if (offset == 0 && !entry.compressed()) return;
  if (!lies_inside(file_, layout_, offset, bytes)) {
    ++dangling_;
    findings_.corruption([&] { return entry_of(table, index) + " leads out of the file"; });
    return;
  }
  count(offset, bytes, table.references);
}

}  // namespace tapring::qcow2
