// SPDX-License-Identifier: MIT
// The internal snapshots of an image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/qcow2/bytes/header.h"

namespace tapring::qcow2 {

struct Snapshot {
  uint64_t l1_offset = 0;
  uint32_t l1_entries = 0;
  std::string id;
  std::string name;
  uint64_t date_seconds = 0;  ///< since 1970
  uint64_t guest_clock_ns = 0;
  uint64_t guest_state_bytes = 0;
  std::optional<uint64_t> size_bytes;  ///< of the disk then, where the entry says so
};

/// A longer table is refused.
constexpr uint64_t kMaxSnapshotTableBytes = uint64_t{16} << 20;

struct SnapshotTable {
  std::vector<Snapshot> snapshots;  ///< those that can be used
  uint64_t bytes = 0;               ///< of the table, as far as its entries could be followed
  uint32_t entries = 0;             ///< so many of them, with those that cannot be used
  bool cut_off = false;             ///< the file ends before the last entry of the header's count
  std::vector<std::string> faults;  ///< why it, or a snapshot of it, cannot be used
  std::vector<std::string> flaws;   ///< what is wrong with snapshots that can be used all the same
};

/// `bytes`: the file from where the table begins, kMaxSnapshotTableBytes or to its end.
SnapshotTable parse_snapshots(std::span<const std::byte> bytes, const Header& header);

/// By id, else by name; nullptr if there is none.
const Snapshot* find_snapshot(std::span<const Snapshot> snapshots,
                              std::string_view wanted) noexcept;

}  // namespace tapring::qcow2
