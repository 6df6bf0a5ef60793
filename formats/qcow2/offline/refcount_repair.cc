// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/refcount_repair.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "formats/clusters/blocking_io.h"
#include "formats/clusters/table_words.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/refcount_entry.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/qcow2/offline/refcount_check.h"
#include "formats/reject.h"
#include "ring/sizes.h"

namespace tapring::qcow2 {

RefcountRepair::RefcountRepair(OpenFile& file, Header& header, ReferenceCounts& counts,
                               Tables tables, FileWriter& writer, uint64_t max_growth)
    : file_(file),
      header_(header),
      layout_(header.layout),
      counts_(counts),
      tables_(std::move(tables)),
      writer_(writer),
      max_growth_(max_growth),
      next_free_(counts.end()) {
  const uint64_t file_end = layout_.round_up(file.size_bytes) >> layout_.cluster_bits;
  if (!file.block_device) next_free_ = std::max(next_free_, file_end);
}

uint64_t RefcountRepair::allocate(uint64_t clusters) {
  grown_ += clusters << layout_.cluster_bits;
  if (grown_ > max_growth_) {
    reject(file_.path,
           "refers to clusters so far apart that their refcounts would take more than " +
               std::to_string(max_growth_ >> 20) +
               " MiB, which is more than the file has (tapring image check --repair all " +
               file_.path + " makes them)");
  }
  const uint64_t first = next_free_;
  next_free_ += clusters;
  const uint64_t end = next_free_ << layout_.cluster_bits;
  if (end > EntryBits::kOffset || (file_.block_device && end > file_.size_bytes)) {
    reject(file_.path, "has no room for new refcounts");
  }
  for (uint64_t i = 0; i < clusters; ++i) counts_.add(first + i, 1);
  return first << layout_.cluster_bits;
}

/// Adds blocks for the clusters that are referred to and have none. The new blocks need refcounts
/// too: those come in the next round.
bool RefcountRepair::add_missing() {
  const uint64_t entries = layout_.refcount_block_entries();
  std::set<uint64_t> missing;
  counts_.for_each(0, UINT64_MAX, [&](uint64_t cluster, uint32_t) {
    const uint64_t number = cluster / entries;
    if (number >= tables_.blocks.size() || tables_.blocks[number] == 0) missing.insert(number);
  });
  for (const uint64_t number : missing) {
    if (number >= Header::kMaxRefcountTableBytes / 8) {
      reject(file_.path, "needs a larger refcount table than there can be");
    }
    if (number >= tables_.blocks.size()) tables_.blocks.resize(number + 1);
    tables_.blocks[number] = allocate(1);
    new_blocks_.emplace(number, tables_.blocks[number]);
  }
  return !missing.empty();
}

/// Finds a new place for the table if it has none, or too small a one. Whether it did.
bool RefcountRepair::place_table() {
  const uint64_t room = (uint64_t{header_.refcount_table_clusters} << layout_.cluster_bits) / 8;
  if (tables_.table_usable && tables_.blocks.size() <= room) return false;
  const uint64_t old = header_.refcount_table_offset >> layout_.cluster_bits;
  for (uint64_t i = 0; i < header_.refcount_table_clusters; ++i) counts_.remove_one(old + i);
  const uint64_t bytes = layout_.round_up(tables_.blocks.size() * 8);
  header_.refcount_table_clusters = static_cast<uint32_t>(bytes >> layout_.cluster_bits);
  header_.refcount_table_offset = allocate(header_.refcount_table_clusters);
  tables_.table_usable = true;
  new_table_ = true;
  return true;
}

void RefcountRepair::write_new_blocks() {
  for (const auto& [number, offset] : new_blocks_) {
    const uint64_t entries = layout_.refcount_slice_entries();
    uint64_t first = number * layout_.refcount_block_entries();
    for (uint64_t at = 0; at < layout_.cluster_bytes(); at += layout_.slice_bytes()) {
      // Past the end of the file a slice of zeros need not be written.
      const bool is_last = at + layout_.slice_bytes() == layout_.cluster_bytes();
      if (!file_.block_device && !is_last && !counts_.any(first, first + entries)) {
        first += entries;
        continue;
      }
      AlignedBytes slice(layout_.slice_bytes());
      counts_.for_each(first, first + entries, [&](uint64_t cluster, uint32_t count) {
        store_refcount(slice.span(), cluster - first, layout_.refcount_order,
                       std::min<uint64_t>(count, layout_.max_refcount()));
      });
      writer_.write(offset + at, slice.span());
      first += entries;
    }
  }
}

void RefcountRepair::write_table() {
  AlignedBytes table(uint64_t{header_.refcount_table_clusters} << layout_.cluster_bits);
  for (std::size_t i = 0; i < tables_.blocks.size(); ++i) {
    store(table.span(), i * 8, tables_.blocks[i]);
  }
  writer_.write(header_.refcount_table_offset, table.span());
  writer_.sync();
  if (!new_table_) return;
  AlignedBytes sector = read_bytes(file_, 0, kSectorBytes);
  store(sector.span(), Header::kRefcountTableAt, header_.refcount_table_offset);
  store(sector.span(), Header::kRefcountClustersAt, header_.refcount_table_clusters);
  writer_.write(0, sector.span());
  writer_.sync();
}

void RefcountRepair::rebuild_tables() {
  while (add_missing() || place_table()) {
  }
  const bool is_as_it_was =
      !new_table_ &&
      tables_.blocks == read_table(file_, header_.refcount_table_offset, tables_.blocks.size());
  if (is_as_it_was) return;
  write_new_blocks();
  writer_.sync();
  write_table();
}

bool RefcountRepair::lacks_blocks() const {
  bool lacks = false;
  counts_.for_each(0, UINT64_MAX, [&](uint64_t cluster, uint32_t) {
    const uint64_t number = cluster / layout_.refcount_block_entries();
    lacks = lacks || number >= tables_.blocks.size() || tables_.blocks[number] == 0;
  });
  return lacks;
}

bool RefcountRepair::correct_slice(uint64_t offset, uint64_t first, bool raises, bool lowers) {
  AlignedBytes slice = read_bytes(file_, offset, layout_.slice_bytes());
  bool changed = false;
  bool right = true;
  const uint64_t end = counted_end(file_, layout_, counts_);
  for (uint64_t i = 0; i < layout_.refcount_slice_entries(); ++i) {
    const uint64_t refcount = load_refcount(slice.span(), i, layout_.refcount_order);
    const uint64_t wanted = std::min<uint64_t>(counts_.of(first + i), layout_.max_refcount());
    if (refcount == wanted) continue;
    if (refcount < wanted ? !raises : !lowers) {
      if (first + i < end) counts_.set(first + i, refcount);
      right = false;
      continue;
    }
    store_refcount(slice.span(), i, layout_.refcount_order, wanted);
    changed = true;
  }
  if (changed) writer_.write(offset, slice.span());
  return right;
}

bool RefcountRepair::correct_block(uint64_t block, uint64_t first, bool raises, bool lowers) {
  const uint64_t step = layout_.refcount_slice_entries();
  bool right = true;
  for (uint64_t done = 0; done < layout_.refcount_block_entries(); done += step) {
    const uint64_t offset = block + done * layout_.refcount_bits() / 8;
    const bool needed = counts_.any(first + done, first + done + step) ||
                        may_have_data(file_, offset, layout_.slice_bytes());
    if (needed) right &= correct_slice(offset, first + done, raises, lowers);
  }
  return right;
}

bool RefcountRepair::correct(bool raises, bool lowers) {
  bool right = !lacks_blocks();
  // Somebody who was killed may have changed entries that are not durable yet: with the power they
  // would lead again to what is free by then.
  writer_.sync();
  for (std::size_t i = 0; i < tables_.blocks.size(); ++i) {
    if (tables_.blocks[i] == 0) continue;
    const uint64_t first = i * layout_.refcount_block_entries();
    right &= correct_block(tables_.blocks[i], first, raises, lowers);
  }
  writer_.sync();
  return right;
}

}  // namespace tapring::qcow2
