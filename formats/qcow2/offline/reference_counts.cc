// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/reference_counts.h"

#include <algorithm>
#include <string>

namespace tapring::qcow2 {

const uint32_t* ReferenceCounts::Piece::find(uint64_t index) const noexcept {
  if (all_) return &(*all_)[index];
  const auto found = std::ranges::lower_bound(few_, index, {}, &Few::value_type::first);
  return found != few_.end() && found->first == index ? &found->second : nullptr;
}

uint32_t& ReferenceCounts::Piece::at(uint64_t index) {
  if (!all_ && few_.size() == kFew) {
    all_ = std::make_unique<std::array<uint32_t, kPiece>>();
    for (const auto& [each, count] : few_) (*all_)[each] = count;
    few_ = {};
  }
  if (all_) return (*all_)[index];
  auto place = std::ranges::lower_bound(few_, index, {}, &Few::value_type::first);
  if (place == few_.end() || place->first != index) {
    place = few_.emplace(place, static_cast<uint16_t>(index), 0);
  }
  return place->second;
}

/// As the allocator has it, about.
std::size_t ReferenceCounts::Piece::bytes() const noexcept {
  constexpr std::size_t kNode = 96;
  return kNode + few_.capacity() * sizeof(Few::value_type) + (all_ ? sizeof(*all_) : 0);
}

const ReferenceCounts::Piece* ReferenceCounts::find(uint64_t number) const noexcept {
  if (number == last_number_) return last_;
  const auto found = pieces_.find(number);
  if (found == pieces_.end()) return nullptr;
  last_number_ = number;
  last_ = &found->second;
  return last_;
}

uint32_t* ReferenceCounts::count_of(uint64_t cluster) noexcept {
  const Piece* piece = find(cluster / kPiece);
  return piece == nullptr ? nullptr : const_cast<uint32_t*>(piece->find(cluster % kPiece));
}

void ReferenceCounts::add(uint64_t cluster, uint64_t times) {
  uint32_t* count = count_of(cluster);
  if (count == nullptr) {
    const auto [place, made] = pieces_.try_emplace(cluster / kPiece);
    Piece& piece = place->second;
    const std::size_t before = made ? 0 : piece.bytes();
    count = &piece.at(cluster % kPiece);
    bytes_ += piece.bytes() - before;
    if (bytes_ > max_bytes_) {
      throw TooMuchMemory("has more clusters than can be counted in " +
                          std::to_string(max_bytes_ >> 20) + " MiB");
    }
  }
  *count = times < kMost - *count ? static_cast<uint32_t>(*count + times) : kMost;
}

void ReferenceCounts::remove_one(uint64_t cluster) noexcept {
  uint32_t* count = count_of(cluster);
  if (count != nullptr && *count > 0) --*count;
}

void ReferenceCounts::set(uint64_t cluster, uint64_t count) noexcept {
  uint32_t* place = count_of(cluster);
  if (place != nullptr) *place = static_cast<uint32_t>(std::min<uint64_t>(count, kMost));
}

uint32_t ReferenceCounts::of(uint64_t cluster) const noexcept {
  const Piece* piece = find(cluster / kPiece);
  const uint32_t* count = piece == nullptr ? nullptr : piece->find(cluster % kPiece);
  return count == nullptr ? 0 : *count;
}

uint64_t ReferenceCounts::end() const noexcept {
  for (auto at = pieces_.rbegin(); at != pieces_.rend(); ++at) {
    uint64_t end = 0;
    at->second.for_each([&](uint64_t index, uint32_t count) {
      if (count > 0) end = at->first * kPiece + index + 1;
    });
    if (end > 0) return end;
  }
  return 0;
}

bool ReferenceCounts::any(uint64_t begin, uint64_t end) const noexcept {
  const auto at = pieces_.lower_bound(begin / kPiece);
  return at != pieces_.end() && at->first * kPiece < end;
}

}  // namespace tapring::qcow2
