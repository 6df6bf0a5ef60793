// SPDX-License-Identifier: MIT
// What an image says of itself, in terms that the formats share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tapring {

struct ImageDescription {
  struct Snapshot {
    std::string id;
    std::string name;
    uint64_t date_seconds = 0;  ///< since 1970
    uint64_t guest_clock_ns = 0;
    uint64_t guest_state_bytes = 0;
    std::optional<uint64_t> size_bytes;  ///< of the disk then, where the image says so
  };
  struct Bitmap {
    std::string name;
    uint64_t granularity_bytes = 0;
    std::vector<std::string> flags;
  };

  /// Of a format that maps clusters.
  struct Clusters {
    uint32_t version = 0;
    uint64_t cluster_bytes = 0;
    std::optional<std::string> encryption;
    std::optional<std::string> backing_file;
    std::vector<std::string> troubles;  ///< why it cannot be served, or what could not be read
  };
  /// Of a format that has these, though an image may have none of them.
  struct Extensions {
    uint32_t refcount_bits = 0;
    std::string compression;
    std::vector<std::string> features;  ///< as QEMU calls them
    bool dirty = false;
    bool corrupt = false;
    std::optional<std::string> backing_format;
    std::optional<std::string> data_file;
    std::vector<Snapshot> snapshots;
    std::vector<Bitmap> bitmaps;
    bool bitmaps_kept = true;  ///< else they are not those of the disk any more
  };

  uint64_t size_bytes = 0;  ///< of the disk
  std::optional<Clusters> clusters{};
  std::optional<Extensions> extensions{};
};

}  // namespace tapring
