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

namespace tapring {

/// `act(index, word)` for each word of a table that is not zero. It is read piece by piece, without
/// the holes of the file. Throws std::system_error.
template <typename Act>
void for_each_word(const OpenFile& file, uint64_t offset, uint64_t words, Act act) {
  constexpr uint64_t kPieceWords = 8192;
  for (uint64_t first = 0; first < words; first += kPieceWords) {
    if (!may_have_data(file, offset + first * 8, (words - first) * 8)) return;
    const uint64_t count = std::min(words - first, kPieceWords);
    if (!may_have_data(file, offset + first * 8, count * 8)) continue;
    const AlignedBytes piece = read_bytes(file, offset + first * 8, count * 8);
    for (uint64_t i = 0; i < count; ++i) {
      const auto word = qcow2::load<uint64_t>(piece.span(), i * 8);
      if (word != 0) act(first + i, word);
    }
  }
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
