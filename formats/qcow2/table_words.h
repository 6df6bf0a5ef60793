// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "formats/qcow2/big_endian.h"
#include "formats/qcow2/open_file.h"

namespace tapring::qcow2 {

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
      const auto word = load<uint64_t>(piece.span(), i * 8);
      if (word != 0) act(first + i, word);
    }
  }
}

}  // namespace tapring::qcow2
