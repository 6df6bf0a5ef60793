// SPDX-License-Identifier: MIT
// One walk over the entries of L1 and L2 tables in a file that nobody else uses: this blocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "formats/clusters/table_words.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/offline/file_writer.h"

namespace tapring::qcow2 {

/// A table of entries in an image's file.
struct EntryTable {
  enum class Kind : uint8_t { l1, l2 };

  static EntryTable l1(uint64_t offset, uint64_t entries) noexcept {
    return {Kind::l1, offset, entries};
  }
  static EntryTable l2(const Layout& layout, uint64_t offset) noexcept {
    return {Kind::l2, offset, layout.l2_entries()};
  }

  EntryWords load(const Layout& layout, std::span<const std::byte> piece, uint64_t index) const {
    if (kind == Kind::l2) return load_words(layout, piece, index);
    return {qcow2::load<uint64_t>(piece, index * 8), 0};
  }
  void store(const Layout& layout, std::span<std::byte> piece, uint64_t index,
             const EntryWords& words) const {
    if (kind == Kind::l2) return store_words(layout, piece, index, words);
    qcow2::store(piece, index * 8, words.word);
  }
  uint64_t entry_bytes(const Layout& layout) const noexcept {
    return kind == Kind::l2 ? layout.l2_entry_bytes() : 8;
  }
  uint64_t piece_bytes(const Layout& layout) const noexcept {
    constexpr uint64_t kL1PieceBytes = 65536;
    return kind == Kind::l2 ? layout.slice_bytes() : kL1PieceBytes;
  }

  Kind kind;
  uint64_t offset;
  uint64_t entries;
};

/// `act(index, words)` for each entry of the table that is not all zeros. With a `writer`, what
/// `act` changes of the words goes to the file, piece by piece. Whether anything was written.
/// Throws std::system_error.
template <typename Act>
bool for_each_entry(const OpenFile& file, const Layout& layout, const EntryTable& table,
                    FileWriter* writer, Act act) {
  const uint64_t entry_bytes = table.entry_bytes(layout);
  bool wrote = false;
  const auto visit = [&](uint64_t at, AlignedBytes& piece) {
    const uint64_t first = at / entry_bytes;
    const uint64_t count = std::min(table.entries - first, piece.size() / entry_bytes);
    bool changed = false;
    for (uint64_t i = 0; i < count; ++i) {
      const EntryWords before = table.load(layout, piece.span(), i);
      if (before == EntryWords{}) continue;
      EntryWords words = before;
      act(first + i, words);
      if (words == before) continue;
      table.store(layout, piece.span(), i, words);
      changed = true;
    }
    if (!changed || writer == nullptr) return;
    writer->write(table.offset + at, piece.span());
    wrote = true;
  };
  for_each_piece(file, table.offset, table.entries * entry_bytes, table.piece_bytes(layout), visit);
  return wrote;
}

}  // namespace tapring::qcow2
