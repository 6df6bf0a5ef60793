// SPDX-License-Identifier: MIT
// What is asked of a check of an image, and what it finds.
#pragma once

#include <cstdint>
#include <functional>

#include "formats/findings.h"

namespace tapring {

enum class Repair : uint8_t {
  leaks,      ///< refcounts that are too large
  refcounts,  ///< those that are too small, missing refcount blocks, and marks of entries besides
  /// And lets go of what is lost: entries that lead out of the file, and snapshots of which the
  /// file has not even the entry.
  all,
};

struct CheckOptions {
  /// Told of each step: how many of how many are done. It may throw.
  std::function<void(uint64_t done, uint64_t all)> progress{};
  /// For counts, and again for lists: an image that wants more is refused.
  uint64_t max_bytes = uint64_t{1} << 30;
  /// For refcount blocks and tables that are missing; likewise.
  uint64_t max_growth = UINT64_MAX;
};

struct ImageCheck {
  Findings findings;
  uint64_t guest_clusters = 0;
  uint64_t allocated_clusters = 0;
  uint64_t compressed_clusters = 0;
  uint64_t end_bytes = 0;  ///< of the last cluster that something refers to
  bool dirty = false;
  bool corrupt = false;
};

}  // namespace tapring
