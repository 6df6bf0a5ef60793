// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/copied_flags.h"

#include <algorithm>
#include <string>

#include "formats/clusters/blocking_io.h"
#include "formats/qcow2/bytes/big_endian.h"

namespace tapring::qcow2 {

void CopiedFlags::check_l1() {
  const Layout& layout = header_.layout;
  constexpr uint64_t kPieceBytes = 65536;
  const uint64_t l1_bytes = uint64_t{header_.l1_entries} * 8;
  for (uint64_t at = 0; at < l1_bytes; at += kPieceBytes) {
    const uint64_t offset = header_.l1_offset + at;
    const uint64_t bytes = std::min(kPieceBytes, l1_bytes - at);
    if (!may_have_data(file_, offset, bytes)) continue;
    AlignedBytes piece = read_bytes(file_, offset, (bytes + kSector - 1) / kSector * kSector);
    bool changed = false;
    for (uint64_t i = 0; i < bytes / 8; ++i) {
      const EntryWords entry{load<uint64_t>(piece.span(), i * 8), 0};
      const uint64_t table = entry.host();
      if (layout.in_cluster(table) != 0) continue;
      const bool is_only_one = table != 0 && counts_.of(table >> layout.cluster_bits) == 1;
      if (is_only_one == entry.copied()) continue;
      if (writer_ == nullptr) {
        findings_.corruption([&] {
          return "entry " + std::to_string(at / 8 + i) + " of the L1 table is " +
                 (entry.copied() ? "" : "not ") + "marked as the only one of its L2 table" +
                 (table == 0 ? ", and has none" : "");
        });
        continue;
      }
      store(piece.span(), i * 8, entry.word ^ EntryBits::kCopied);
      changed = true;
    }
    if (!changed) continue;
    writer_->write(offset, piece.span());
    wrote_ = true;
  }
}

bool CopiedFlags::is_wrong(const EntryWords& entry, uint64_t mapped) noexcept {
  const Layout& layout = header_.layout;
  if (entry.compressed()) {
    sizes_.allocated_clusters += mapped;
    sizes_.compressed_clusters += mapped;
    return entry.copied();
  }
  if (!entry.has_host(layout) || layout.in_cluster(entry.host()) != 0) return false;
  sizes_.allocated_clusters += mapped;
  // In a data file each cluster is the disk's alone.
  if (layout.external_data) return !entry.copied();
  return (counts_.of(entry.host() >> layout.cluster_bits) == 1) != entry.copied();
}

void CopiedFlags::check_l2(const L2Table& table) {
  const Layout& layout = header_.layout;
  const uint64_t slice_bytes = layout.slice_bytes();
  for (uint64_t at = 0; at < layout.cluster_bytes(); at += slice_bytes) {
    if (!may_have_data(file_, table.offset + at, slice_bytes)) continue;
    AlignedBytes slice = read_bytes(file_, table.offset + at, slice_bytes);
    bool changed = false;
    for (uint64_t i = 0; i < layout.l2_slice_entries(); ++i) {
      EntryWords entry = load_words(layout, slice.span(), i);
      if (entry.word == 0 || !is_wrong(entry, table.active)) continue;
      if (writer_ == nullptr) {
        findings_.corruption([&] {
          return "entry " + std::to_string(at / layout.l2_entry_bytes() + i) +
                 " of the L2 table at byte " + std::to_string(table.offset) + " is " +
                 (entry.copied() ? "" : "not ") + "marked as the only one of its cluster";
        });
        continue;
      }
      entry.word ^= EntryBits::kCopied;
      store_words(layout, slice.span(), i, entry);
      changed = true;
    }
    if (!changed) continue;
    writer_->write(table.offset + at, slice.span());
    wrote_ = true;
  }
}

}  // namespace tapring::qcow2
