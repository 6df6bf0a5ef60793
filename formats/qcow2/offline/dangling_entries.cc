// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/dangling_entries.h"

#include "formats/qcow2/offline/reference_walk.h"
#include "formats/qcow2/offline/table_entries.h"

namespace tapring::qcow2 {

bool DanglingEntries::dangles(uint64_t offset, uint64_t bytes) const noexcept {
  return !lies_inside(file_, layout_, offset, bytes);
}

bool DanglingEntries::dangles(const EntryWords& entry) const noexcept {
  if (entry.compressed()) {
    const CompressedPlace place = compressed_place(layout_, entry.word);
    return dangles(place.offset, place.bytes);
  }
  const uint64_t host = entry.host();
  return host != 0 && layout_.in_cluster(host) == 0 && dangles(host, layout_.cluster_bytes());
}

EntryWords DanglingEntries::without_cluster(const EntryWords& entry) const noexcept {
  if (layout_.version < 3) return {};
  if (!layout_.extended_l2 || entry.compressed()) return Entry::zeros(layout_).words(layout_);
  const uint64_t allocated = entry.subclusters & UINT32_MAX;
  return {.word = 0, .subclusters = (entry.subclusters ^ allocated) | allocated << 32U};
}

void DanglingEntries::drop_l1(uint64_t offset, uint64_t entries) {
  wrote_ |= for_each_entry(file_, layout_, EntryTable::l1(offset, entries), &writer_,
                           [&](uint64_t, EntryWords& entry) {
                             const uint64_t table = entry.host();
                             if (table == 0 || layout_.in_cluster(table) != 0) return;
                             if (dangles(table, layout_.cluster_bytes())) entry = {};
                           });
}

void DanglingEntries::drop_l2(const L2Table& table) {
  if (layout_.external_data) return;
  wrote_ |= for_each_entry(file_, layout_, EntryTable::l2(layout_, table.offset), &writer_,
                           [&](uint64_t, EntryWords& entry) {
                             if (dangles(entry)) entry = without_cluster(entry);
                           });
}

void DanglingEntries::sync() {
  if (wrote_) writer_.sync();
}

}  // namespace tapring::qcow2
