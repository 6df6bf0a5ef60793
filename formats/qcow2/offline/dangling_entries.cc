// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/dangling_entries.h"

#include <algorithm>

#include "formats/clusters/blocking_io.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/offline/reference_walk.h"

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

void DanglingEntries::drop_l1(uint64_t offset, uint64_t entries) {
  constexpr uint64_t kPieceBytes = 65536;
  const uint64_t all_bytes = entries * 8;
  for (uint64_t at = 0; at < all_bytes; at += kPieceBytes) {
    const uint64_t bytes = std::min(kPieceBytes, all_bytes - at);
    if (!may_have_data(file_, offset + at, bytes)) continue;
    AlignedBytes piece = read_bytes(file_, offset + at, (bytes + kSector - 1) / kSector * kSector);
    bool changed = false;
    for (uint64_t i = 0; i < bytes / 8; ++i) {
      const uint64_t table = load<uint64_t>(piece.span(), i * 8) & EntryBits::kOffset;
      if (table == 0 || layout_.in_cluster(table) != 0) continue;
      if (!dangles(table, layout_.cluster_bytes())) continue;
      store(piece.span(), i * 8, uint64_t{0});
      changed = true;
    }
    if (!changed) continue;
    writer_.write(offset + at, piece.span());
    wrote_ = true;
  }
}

void DanglingEntries::drop_l2(const L2Table& table) {
  if (layout_.external_data) return;
  const EntryWords gone = layout_.version < 3 ? EntryWords() : Entry::zeros(layout_).words(layout_);
  const uint64_t slice_bytes = layout_.slice_bytes();
  for (uint64_t at = 0; at < layout_.cluster_bytes(); at += slice_bytes) {
    if (!may_have_data(file_, table.offset + at, slice_bytes)) continue;
    AlignedBytes slice = read_bytes(file_, table.offset + at, slice_bytes);
    bool changed = false;
    for (uint64_t i = 0; i < layout_.l2_slice_entries(); ++i) {
      if (!dangles(load_words(layout_, slice.span(), i))) continue;
      store_words(layout_, slice.span(), i, gone);
      changed = true;
    }
    if (!changed) continue;
    writer_.write(table.offset + at, slice.span());
    wrote_ = true;
  }
}

void DanglingEntries::sync() {
  if (wrote_) writer_.sync();
}

}  // namespace tapring::qcow2
