// SPDX-License-Identifier: MIT
// What is asked of a check of an image, and what it finds.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "formats/findings.h"

namespace tapring {

enum class Repair : uint8_t {
  leaks,      ///< refcounts that are too large
  refcounts,  ///< also those that are too small, missing refcount blocks, and flags of entries
  /// Also gives up what is lost: entries that lead out of the file, snapshots whose entries in the
  /// snapshot table lie past its end, and the bitmaps if one is damaged.
  all,
};

struct CheckOptions {
  /// Called after each step with how many of how many are done. It may throw.
  std::function<void(uint64_t done, uint64_t all)> progress{};
  /// The memory for reference counts, and as much again for lists of tables: an image that needs
  /// more is rejected.
  uint64_t max_bytes = uint64_t{1} << 30;
  /// The room in the file for missing refcount blocks and tables; likewise.
  uint64_t max_growth = UINT64_MAX;
};

struct ImageCheck {
  Findings findings;
  uint64_t guest_clusters = 0;
  uint64_t allocated_clusters = 0;
  uint64_t compressed_clusters = 0;
  uint64_t end_bytes = 0;  ///< where the last cluster ends that something refers to
  /// The first clusters whose refcount is too large, in their order, each as often as it is.
  std::vector<uint64_t> leaked;
  bool dirty = false;
  bool corrupt = false;
};

}  // namespace tapring
