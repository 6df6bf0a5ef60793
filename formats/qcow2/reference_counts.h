// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>

namespace tapring::qcow2 {

/// An image would need more memory to be checked than it may take.
struct TooMuchMemory : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// How often each cluster of an image's file is referred to. Takes memory for the parts of the file
/// in which some are, 4 bytes for a cluster there.
class ReferenceCounts {
 public:
  /// Where counting ends: no image has so many references.
  static constexpr uint32_t kMost = UINT32_MAX;

  explicit ReferenceCounts(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// Throws TooMuchMemory.
  void add(uint64_t cluster, uint64_t times);
  void remove_one(uint64_t cluster) noexcept;
  /// Of a cluster that has some.
  void set(uint64_t cluster, uint64_t count) noexcept;
  uint32_t of(uint64_t cluster) const noexcept;

  /// Past the last cluster that anything refers to.
  uint64_t end() const noexcept;

  /// Whether any cluster of [begin, end) may be referred to.
  bool any(uint64_t begin, uint64_t end) const noexcept;

  /// `act(cluster, count)` for each in [begin, end) that is referred to, in their order.
  template <typename Act>
  void for_each(uint64_t begin, uint64_t end, Act act) const {
    for (auto at = pieces_.lower_bound(begin / kPiece); at != pieces_.end(); ++at) {
      const uint64_t first = at->first * kPiece;
      if (first >= end) return;
      for (uint64_t i = 0; i < kPiece; ++i) {
        const uint32_t count = (*at->second)[i];
        if (count > 0 && first + i >= begin && first + i < end) act(first + i, count);
      }
    }
  }

 private:
  static constexpr uint64_t kPiece = 512;
  using Piece = std::array<uint32_t, kPiece>;

  Piece* find(uint64_t number) const noexcept;

  uint64_t max_bytes_;
  std::map<uint64_t, std::unique_ptr<Piece>> pieces_;
  mutable uint64_t last_number_ = UINT64_MAX;  ///< most references are near each other
  mutable Piece* last_ = nullptr;
};

}  // namespace tapring::qcow2
