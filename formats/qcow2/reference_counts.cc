// SPDX-License-Identifier: MIT
#include "formats/qcow2/reference_counts.h"

#include <algorithm>
#include <string>

namespace tapring::qcow2 {

ReferenceCounts::Piece* ReferenceCounts::find(uint64_t number) const noexcept {
  if (number == last_number_) return last_;
  const auto found = pieces_.find(number);
  if (found == pieces_.end()) return nullptr;
  last_number_ = number;
  last_ = found->second.get();
  return last_;
}

void ReferenceCounts::add(uint64_t cluster, uint64_t times) {
  Piece* piece = find(cluster / kPiece);
  if (piece == nullptr) {
    if ((pieces_.size() + 1) * sizeof(Piece) > max_bytes_) {
      throw TooMuchMemory("has more clusters than can be counted in " +
                          std::to_string(max_bytes_ >> 20) + " MiB");
    }
    piece = pieces_.emplace(cluster / kPiece, std::make_unique<Piece>()).first->second.get();
  }
  uint32_t& count = (*piece)[cluster % kPiece];
  count = times < kMost - count ? static_cast<uint32_t>(count + times) : kMost;
}

void ReferenceCounts::remove_one(uint64_t cluster) noexcept {
  Piece* piece = find(cluster / kPiece);
  if (piece != nullptr && (*piece)[cluster % kPiece] > 0) --(*piece)[cluster % kPiece];
}

void ReferenceCounts::set(uint64_t cluster, uint64_t count) noexcept {
  Piece* piece = find(cluster / kPiece);
  if (piece != nullptr) {
    (*piece)[cluster % kPiece] = static_cast<uint32_t>(std::min<uint64_t>(count, kMost));
  }
}

uint32_t ReferenceCounts::of(uint64_t cluster) const noexcept {
  const Piece* piece = find(cluster / kPiece);
  return piece == nullptr ? 0 : (*piece)[cluster % kPiece];
}

uint64_t ReferenceCounts::end() const noexcept {
  for (auto at = pieces_.rbegin(); at != pieces_.rend(); ++at) {
    for (uint64_t i = kPiece; i > 0; --i) {
      if ((*at->second)[i - 1] > 0) return at->first * kPiece + i;
    }
  }
  return 0;
}

bool ReferenceCounts::any(uint64_t begin, uint64_t end) const noexcept {
  const auto at = pieces_.lower_bound(begin / kPiece);
  return at != pieces_.end() && at->first * kPiece < end;
}

}  // namespace tapring::qcow2
