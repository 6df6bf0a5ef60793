// SPDX-License-Identifier: MIT
#include "formats/clusters/metadata_regions.h"

#include <algorithm>

namespace tapring {
namespace {

constexpr uint64_t kTableBits = 0xF;

std::string name_of(MetadataRegions::Table table, uint64_t offset) {
  const std::string at = " at byte " + std::to_string(offset);
  switch (table) {
    case MetadataRegions::Table::header:
      return "the header";
    case MetadataRegions::Table::l1:
      return "the L1 table" + at;
    case MetadataRegions::Table::l2:
      return "an L2 table" + at;
    case MetadataRegions::Table::refcount_table:
      return "the refcount table" + at;
    case MetadataRegions::Table::refcount_block:
      return "a refcount block" + at;
    case MetadataRegions::Table::snapshot_table:
      return "the snapshot table" + at;
    case MetadataRegions::Table::snapshot_l1:
      return "a snapshot's L1 table" + at;
  }
  return "a table" + at;
}

}  // namespace

void MetadataRegions::add(Table table, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return;
  const uint64_t end = offset + layout_.round_up(bytes);
  if (end - offset == layout_.cluster_bytes()) {
    singles_.push_back(offset | static_cast<uint64_t>(table));
  } else {
    ranges_.push_back({offset, end, table});
  }
}

MetadataRegions::Range MetadataRegions::single(std::size_t index) const noexcept {
  const uint64_t begin = singles_[index] & ~kTableBits;
  return {begin, begin + layout_.cluster_bytes(), static_cast<Table>(singles_[index] & kTableBits)};
}

std::optional<std::string> MetadataRegions::settle(uint64_t file_bytes) {
  std::ranges::sort(singles_);
  std::ranges::sort(ranges_, {}, &Range::begin);
  const uint64_t file_end = layout_.round_up(file_bytes);
  Range last{0, 0, Table::header};
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < singles_.size() || j < ranges_.size()) {
    const bool take_single =
        j == ranges_.size() || (i < singles_.size() && single(i).begin < ranges_[j].begin);
    const Range next = take_single ? single(i++) : ranges_[j++];
    if (next.end > file_end) {
      return name_of(next.table, next.begin) + " is outside the file";
    }
    if (next.begin < last.end) {
      return name_of(next.table, next.begin) + " overlaps " + name_of(last.table, last.begin);
    }
    last = next;
  }
  return std::nullopt;
}

bool MetadataRegions::hits(uint64_t offset, uint64_t bytes) const noexcept {
  for (uint64_t at = layout_.cluster_begin(offset); at < offset + bytes;
       at += layout_.cluster_bytes()) {
    if (table_at(at)) return true;
  }
  return false;
}

bool MetadataRegions::holds(Table table, uint64_t offset, uint64_t bytes) const noexcept {
  for (uint64_t at = layout_.cluster_begin(offset); at < offset + bytes;
       at += layout_.cluster_bytes()) {
    if (table_at(at) != table) return false;
  }
  return true;
}

std::optional<MetadataRegions::Table> MetadataRegions::table_at(uint64_t cluster) const noexcept {
  if (const auto made = inserted_.find(cluster); made != inserted_.end()) return made->second;
  if (removed_.contains(cluster)) return std::nullopt;
  const auto range = std::ranges::upper_bound(ranges_, cluster, {}, &Range::begin);
  if (range != ranges_.begin() && std::prev(range)->end > cluster) return std::prev(range)->table;
  const auto found = std::ranges::lower_bound(singles_, cluster);
  if (found == singles_.end() || (*found & ~kTableBits) != cluster) return std::nullopt;
  return static_cast<Table>(*found & kTableBits);
}

void MetadataRegions::insert(Table table, uint64_t offset, uint64_t bytes) {
  for (uint64_t at = offset; at < offset + bytes; at += layout_.cluster_bytes()) {
    inserted_.emplace(at, table);
  }
}

void MetadataRegions::remove(uint64_t offset, uint64_t bytes) {
  for (uint64_t at = offset; at < offset + bytes; at += layout_.cluster_bytes()) {
    if (inserted_.erase(at) == 0) removed_.insert(at);
  }
}

}  // namespace tapring
