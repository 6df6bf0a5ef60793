// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/l2_tables.h"

#include <algorithm>

#include "formats/qcow2/offline/reference_counts.h"

namespace tapring::qcow2 {

void L2Tables::add(uint64_t offset, bool active, uint64_t l1_index) {
  if (tables_.size() >= merge_at_) {
    merge();
    if (tables_.size() > most_ / 2) throw TooMuchMemory("has too many L2 tables to check it here");
    merge_at_ = std::max(merge_at_, 2 * tables_.size());
  }
  tables_.push_back({offset, 1, active ? uint64_t{1} : 0, l1_index});
}

std::span<const L2Table> L2Tables::sorted() {
  merge();
  return tables_;
}

void L2Tables::merge() {
  std::ranges::sort(tables_, {}, &L2Table::offset);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const L2Table table = tables_[i];
    if (kept > 0 && tables_[kept - 1].offset == table.offset) {
      tables_[kept - 1].references += table.references;
      tables_[kept - 1].active += table.active;
      tables_[kept - 1].l1_index = std::min(tables_[kept - 1].l1_index, table.l1_index);
    } else {
      tables_[kept++] = table;
    }
  }
  tables_.resize(kept);
}

}  // namespace tapring::qcow2
