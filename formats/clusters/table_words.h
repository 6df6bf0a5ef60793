// SPDX-License-Identifier: MIT
// Tables of 64-bit words in a file that is not in use: these calls block.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/clusters/blocking_io.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/layout.h"
#include "ring/sizes.h"

namespace tapring {

/// `act(at, piece)` for each piece of a table in which the file has data, holes left out: `at` is
/// where the piece begins in the table, in bytes, and `piece` is whole sectors. Throws
/// std::system_error.
template <typename Act>
void for_each_piece(const OpenFile& file, uint64_t offset, uint64_t bytes, uint64_t piece_bytes,
                    Act act) {
  for (uint64_t at = 0; at < bytes; at += piece_bytes) {
    if (!may_have_data(file, offset + at, bytes - at)) return;
    const uint64_t size = std::min(bytes - at, piece_bytes);
    if (!may_have_data(file, offset + at, size)) continue;
    AlignedBytes piece =
        read_bytes(file, offset + at, (size + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
    act(at, piece);
  }
}

/// `act(index, word)` for each word of a table that is not zero. Throws std::system_error.
template <typename Act>
void for_each_word(const OpenFile& file, uint64_t offset, uint64_t words, Act act) {
  constexpr uint64_t kPieceBytes = 65536;
  for_each_piece(file, offset, words * 8, kPieceBytes, [&](uint64_t at, AlignedBytes& piece) {
    const uint64_t count = std::min(words - at / 8, piece.size() / 8);
    for (uint64_t i = 0; i < count; ++i) {
      const auto word = qcow2::load<uint64_t>(piece.span(), i * 8);
      if (word != 0) act(at / 8 + i, word);
    }
  });
}

/// Whether the file has a table; its last cluster need not be whole.
bool is_inside(const OpenFile& file, const qcow2::Layout& layout, uint64_t offset,
               uint64_t bytes) noexcept;

/// Only of tables that the file has room for, so that no header makes us hold more. `what` is
/// named where it has not.
void check_inside(const OpenFile& file, const qcow2::Layout& layout, const std::string& what,
                  uint64_t offset, uint64_t bytes);

/// Of `entries` words. check_inside() comes first.
std::vector<uint64_t> read_table(const OpenFile& file, uint64_t offset, uint64_t entries);

}  // namespace tapring
