// SPDX-License-Identifier: MIT
#include "formats/qcow2/bytes/snapshot_table.h"

#include <algorithm>

#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/text.h"

namespace tapring::qcow2 {
namespace {

constexpr std::size_t kSnapshotFixedBytes = 40;

/// `entry`: to the end of the table; nullopt if it is longer than that. `bytes`: what it takes.
std::optional<Snapshot> parse_snapshot(std::span<const std::byte> entry, std::size_t& bytes) {
  if (entry.size() < kSnapshotFixedBytes) return std::nullopt;
  Snapshot snapshot;
  snapshot.l1_offset = load<uint64_t>(entry, 0);
  snapshot.l1_entries = load<uint32_t>(entry, 8);
  const std::size_t id_bytes = load<uint16_t>(entry, 12);
  const std::size_t name_bytes = load<uint16_t>(entry, 14);
  const std::size_t extra_bytes = load<uint32_t>(entry, 36);
  bytes = kSnapshotFixedBytes + extra_bytes + id_bytes + name_bytes;
  if (bytes > entry.size()) return std::nullopt;
  snapshot.date_seconds = load<uint32_t>(entry, 16);
  snapshot.guest_clock_ns = load<uint64_t>(entry, 24);
  snapshot.guest_state_bytes = load<uint32_t>(entry, 32);
  if (extra_bytes >= 8) snapshot.guest_state_bytes = load<uint64_t>(entry, kSnapshotFixedBytes);
  if (extra_bytes >= 16) snapshot.size_bytes = load<uint64_t>(entry, kSnapshotFixedBytes + 8);
  snapshot.id = text_of(entry.subspan(kSnapshotFixedBytes + extra_bytes, id_bytes));
  snapshot.name = text_of(entry.subspan(kSnapshotFixedBytes + extra_bytes + id_bytes, name_bytes));
  return snapshot;
}

}  // namespace

SnapshotTable parse_snapshots(std::span<const std::byte> bytes, const Header& header) {
  SnapshotTable table;
  for (; table.entries < header.snapshots; ++table.entries) {
    const std::string which = "snapshot " + std::to_string(table.entries + 1) + " of its table ";
    std::size_t length = 0;
    auto snapshot = parse_snapshot(bytes.subspan(table.bytes), length);
    if (!snapshot) {
      table.faults.push_back(which + "is cut off");
      table.cut_off = bytes.size() < kMaxSnapshotTableBytes;
      return table;
    }
    table.bytes += std::min((length + 7) / 8 * 8, bytes.size() - table.bytes);
    if (uint64_t{snapshot->l1_entries} * 8 > Header::kMaxL1Bytes ||
        header.layout.in_cluster(snapshot->l1_offset) != 0 || snapshot->l1_offset > INT64_MAX) {
      table.faults.push_back(which + "has no valid L1 table");
      continue;
    }
    if (header.layout.version >= 3 && !snapshot->size_bytes) {
      table.flaws.push_back(which + "does not say the size of its disk, as version 3 must");
    }
    table.snapshots.push_back(std::move(*snapshot));
  }
  return table;
}

const Snapshot* find_snapshot(std::span<const Snapshot> snapshots,
                              std::string_view wanted) noexcept {
  auto found = std::ranges::find(snapshots, wanted, &Snapshot::id);
  if (found == snapshots.end()) found = std::ranges::find(snapshots, wanted, &Snapshot::name);
  return found == snapshots.end() ? nullptr : &*found;
}

}  // namespace tapring::qcow2
