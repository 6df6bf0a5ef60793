// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace tapring::qcow2 {

/// Checking the image would take more memory than allowed.
struct TooMuchMemory : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// How often each cluster of an image's file is referred to. Takes memory for those that are: 4
/// bytes each where most of their neighbours are too, and about 100 for one that lies alone.
class ReferenceCounts {
 public:
  /// Counting stops here; no image has so many references to a cluster.
  static constexpr uint32_t kMost = UINT32_MAX;

  explicit ReferenceCounts(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// Throws TooMuchMemory.
  void add(uint64_t cluster, uint64_t times);
  void remove_one(uint64_t cluster) noexcept;
  /// Does nothing for a cluster that was never added.
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
      at->second.for_each([&](uint64_t index, uint32_t count) {
        const uint64_t cluster = first + index;
        if (count > 0 && cluster >= begin && cluster < end) act(cluster, count);
      });
    }
  }

 private:
  static constexpr uint64_t kPiece = 512;

  /// The counts of kPiece clusters that follow each other: a sorted list of few, or an array of
  /// all.
  class Piece {
   public:
    const uint32_t* find(uint64_t index) const noexcept;
    /// Made if it is not there.
    uint32_t& at(uint64_t index);
    std::size_t bytes() const noexcept;

    template <typename Act>
    void for_each(Act act) const {
      for (const auto& [index, count] : few_) act(index, count);
      for (uint64_t i = 0; all_ && i < kPiece; ++i) act(i, (*all_)[i]);
    }

   private:
    static constexpr std::size_t kFew = kPiece / 4;
    using Few = std::vector<std::pair<uint16_t, uint32_t>>;

    Few few_;  ///< in the order of their indexes
    std::unique_ptr<std::array<uint32_t, kPiece>> all_;
  };

  const Piece* find(uint64_t number) const noexcept;
  uint32_t* count_of(uint64_t cluster) noexcept;

  uint64_t max_bytes_;
  uint64_t bytes_ = 0;
  std::map<uint64_t, Piece> pieces_;
  mutable uint64_t last_number_ = UINT64_MAX;  ///< most references are near each other
  mutable const Piece* last_ = nullptr;
};

}  // namespace tapring::qcow2
