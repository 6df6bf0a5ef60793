// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "formats/qcow2/bytes/entry.h"

namespace tapring {

/// The entries of an L1 table. Takes memory only for parts of it that lead to L2 tables: a sparse
/// file may have a table of 32 MiB that is one hole.
class L1Entries {
 public:
  L1Entries() = default;
  explicit L1Entries(uint64_t size) : size_(size), pieces_((size + kPiece - 1) / kPiece) {}

  uint64_t size() const noexcept { return size_; }

  qcow2::L1Entry operator[](uint64_t index) const noexcept {
    const auto& piece = pieces_[index / kPiece];
    return piece ? (*piece)[index % kPiece] : qcow2::L1Entry();
  }

  /// Makes room for an entry: from then on set() does not fail.
  void prepare(uint64_t index) {
    auto& piece = pieces_[index / kPiece];
    if (!piece) piece = std::make_unique<Piece>();
  }
  void set(uint64_t index, qcow2::L1Entry entry) {
    prepare(index);
    (*pieces_[index / kPiece])[index % kPiece] = entry;
  }

  /// `act(index, entry)` for each that leads to a table, in their order.
  template <typename Act>
  void for_each(Act act) const {
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      if (!pieces_[i]) continue;
      for (uint64_t j = 0; j < kPiece; ++j) {
        if (const qcow2::L1Entry entry = (*pieces_[i])[j]; entry.has_table())
          act(i * kPiece + j, entry);
      }
    }
  }

  /// In memory.
  uint64_t bytes() const noexcept {
    uint64_t bytes = pieces_.size() * sizeof(pieces_[0]);
    for (const auto& piece : pieces_) bytes += piece ? sizeof(Piece) : 0;
    return bytes;
  }

 private:
  static constexpr uint64_t kPiece = 512;  // a block of a file system has as many
  using Piece = std::array<qcow2::L1Entry, kPiece>;

  uint64_t size_ = 0;
  std::vector<std::unique_ptr<Piece>> pieces_;
};

}  // namespace tapring
