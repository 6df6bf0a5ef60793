// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/copied_flags.h"
#include "formats/qcow2/offline/table_entries.h"

#include <string>

namespace tapring::qcow2 {

/// Whether the flag says of the cluster at `offset` what its count does not.
bool CopiedFlags::contradicts(uint64_t offset, bool copied) const noexcept {
  const uint64_t references = counts_.of(offset >> header_.layout.cluster_bits);
  if (references > header_.layout.max_refcount()) return false;
  return (references == 1) != copied;
}

void CopiedFlags::check_l1() {
  const Layout& layout = header_.layout;
  const EntryTable l1 = EntryTable::l1(header_.l1_offset, header_.l1_entries);
  const auto check = [&](uint64_t index, EntryWords& entry) {
    const uint64_t table = entry.host();
    if (layout.in_cluster(table) != 0) return;
    const bool is_wrong = table == 0 ? entry.copied() : contradicts(table, entry.copied());
    if (!is_wrong) return;
    if (writer_ != nullptr) {
      entry.word ^= EntryBits::kCopied;
      return;
    }
    findings_.corruption([&] {
      return "entry " + std::to_string(index) + " of the L1 table is " +
             (entry.copied() ? "" : "not ") + "marked as the only one of its L2 table" +
             (table == 0 ? ", and has none" : "");
    });
  };
  wrote_ |= for_each_entry(file_, layout, l1, writer_, check);
}

/// Whether the entry leads to a cluster that is not compressed.
bool CopiedFlags::maps(const EntryWords& entry) const noexcept {
  const Layout& layout = header_.layout;
  return !entry.compressed() && entry.has_host(layout) && layout.in_cluster(entry.host()) == 0;
}

void CopiedFlags::measure(const EntryWords& entry, uint64_t mapped) noexcept {
  if (entry.compressed()) sizes_.compressed_clusters += mapped;
  if (entry.compressed() || maps(entry)) sizes_.allocated_clusters += mapped;
}

bool CopiedFlags::is_wrong(const EntryWords& entry) const noexcept {
  if (entry.compressed()) return entry.copied();
  if (!maps(entry)) return false;
  // In a data file each cluster is the disk's alone.
  if (header_.layout.external_data) return !entry.copied();
  return contradicts(entry.host(), entry.copied());
}

void CopiedFlags::check_l2(const L2Table& table) {
  const Layout& layout = header_.layout;
  const auto check = [&](uint64_t index, EntryWords& entry) {
    measure(entry, table.active);
    if (!is_wrong(entry)) return;
    if (writer_ != nullptr) {
      entry.word ^= EntryBits::kCopied;
      return;
    }
    findings_.corruption([&] {
      return "entry " + std::to_string(index) + " of the L2 table at byte " +
             std::to_string(table.offset) + " is " + (entry.copied() ? "" : "not ") +
             "marked as the only one of its cluster";
    });
  };
  wrote_ |= for_each_entry(file_, layout, EntryTable::l2(layout, table.offset), writer_, check);
}

void CopiedFlags::measure_l2(const L2Table& table) {
  const Layout& layout = header_.layout;
  for_each_entry(file_, layout, EntryTable::l2(layout, table.offset), nullptr,
                 [&](uint64_t, const EntryWords& entry) { measure(entry, table.active); });
}

}  // namespace tapring::qcow2
