// SPDX-License-Identifier: MIT
// Start here: finds what is wrong with an image, and repairs it. Nobody else may use it meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/file_writer.h"
#include "formats/qcow2/offline/findings.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

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

/// Reads all tables. Throws std::system_error, with the file's name, where that fails or the header
/// is refused.
ImageCheck check_image(const OpenFile& file, const CheckOptions& options);

/// Repairs what it can, then checks again and returns what is still wrong. Once nothing is corrupt
/// any more, and that is durable, it clears the image's dirty and corrupt bits. A power cut
/// meanwhile leaves the image no worse than before. Throws as check_image() does.
ImageCheck repair_image(OpenFile& file, Repair repair, FileWriter& writer,
                        const CheckOptions& options);

}  // namespace tapring::qcow2
