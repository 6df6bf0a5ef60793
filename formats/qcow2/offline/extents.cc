// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/extents.h"

#include <algorithm>
#include <utility>

#include "formats/clusters/blocking_io.h"
#include "formats/clusters/table_words.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/qcow2/offline/reference_walk.h"

namespace tapring::qcow2 {

Extents::Extents(OpenFile file, const Layout& layout, std::vector<uint64_t> l1)
    : file_(std::move(file)), layout_(layout), l1_(std::move(l1)), shared_(find_shared()) {}

std::vector<bool> Extents::find_shared() const {
  std::vector<std::pair<uint64_t, uint32_t>> tables;  // where, and the index
  for (uint32_t index = 0; index < l1_.size(); ++index) {
    const auto entry = L1Entry::parse(layout_, l1_[index]);
    if (entry && entry->has_table()) tables.emplace_back(entry->table(), index);
  }
  std::ranges::sort(tables);
  std::vector<bool> shared(l1_.size());
  uint64_t end = 0;
  for (const auto& [table, index] : tables) {
    shared[index] = table < end;
    if (!shared[index]) end = table + layout_.l2_table_bytes();
  }
  return shared;
}

bool Extents::is_table(uint64_t l1_index, const L1Entry& entry) const noexcept {
  return !shared_[l1_index] &&
         lies_inside(file_, layout_, entry.table(), layout_.l2_table_bytes());
}

Extent Extents::at(uint64_t offset, uint64_t bytes) {
  const Layout& layout = layout_;
  const uint64_t covers = layout.l2_covers();
  const auto entry = L1Entry::parse(layout, l1_.at(offset / covers));
  const uint64_t rest = std::min(bytes, covers - offset % covers);
  if (entry && !entry->has_table()) return {ExtentKind::unallocated, rest, 0};
  if (!entry || !is_table(offset / covers, *entry)) return {ExtentKind::invalid, rest, 0};
  const uint64_t index = offset % covers >> layout.cluster_bits;
  const uint64_t slice = index / layout.l2_slice_entries();
  const uint64_t slice_begin = slice * layout.slice_bytes();
  const uint64_t slice_at = entry->table() + slice_begin;
  if (slice_at != slice_at_) {
    // A table without data need not be read: a sparse file may have any number of those.
    if (!may_have_data(file_, slice_at, layout.l2_table_bytes() - slice_begin)) {
      return {ExtentKind::unallocated, rest, 0};
    }
    slice_ = read_bytes(file_, slice_at, layout.slice_bytes());
    slice_at_ = slice_at;
  }
  Extent extent = extent_at(layout, slice_.span(), offset, rest);
  if (extent.kind == ExtentKind::compressed) {
    extent.host = compressed_place(layout, extent.host).offset;
  }
  return extent;
}

std::unique_ptr<ExtentReader> read_extents(OpenFile file) {
  const Header header = read_header(file);
  const uint64_t bytes = uint64_t{header.l1_entries} * 8;
  check_inside(file, header.layout, "the L1 table", header.l1_offset, bytes);
  std::vector<uint64_t> l1 = read_table(file, header.l1_offset, header.l1_entries);
  return std::make_unique<Extents>(std::move(file), header.layout, std::move(l1));
}

}  // namespace tapring::qcow2
