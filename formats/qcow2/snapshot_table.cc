// SPDX-License-Identifier: MIT
#include "formats/qcow2/snapshot_table.h"

#include <algorithm>

#include "formats/qcow2/big_endian.h"

namespace tapring::qcow2 {
namespace {

std::string text_of(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += static_cast<char>(byte);
  return text;
}

std::string refuse(uint64_t number, const std::string& reason) {
  return "snapshot " + std::to_string(number) + " of its table " + reason +
         " (qemu-img check -r all mends snapshot tables)";
}

}  // namespace

std::expected<SnapshotTable, std::string> parse_snapshots(std::span<const std::byte> bytes,
                                                          const Header& header) {
  constexpr std::size_t kFixedBytes = 40;
  SnapshotTable table;
  std::size_t at = 0;
  for (uint64_t number = 1; number <= header.snapshots; ++number) {
    if (bytes.size() - at < kFixedBytes) return std::unexpected(refuse(number, "is cut off"));
    const auto entry = bytes.subspan(at);
    Snapshot snapshot;
    snapshot.l1_offset = load<uint64_t>(entry, 0);
    snapshot.l1_entries = load<uint32_t>(entry, 8);
    const std::size_t id_bytes = load<uint16_t>(entry, 12);
    const std::size_t name_bytes = load<uint16_t>(entry, 14);
    const std::size_t extra_bytes = load<uint32_t>(entry, 36);
    const std::size_t length = kFixedBytes + extra_bytes + id_bytes + name_bytes;
    if (length > entry.size()) return std::unexpected(refuse(number, "is cut off"));
    snapshot.date_seconds = load<uint32_t>(entry, 16);
    snapshot.guest_clock_ns = load<uint64_t>(entry, 24);
    snapshot.guest_state_bytes = load<uint32_t>(entry, 32);
    if (extra_bytes >= 8) snapshot.guest_state_bytes = load<uint64_t>(entry, kFixedBytes);
    if (extra_bytes >= 16) snapshot.size_bytes = load<uint64_t>(entry, kFixedBytes + 8);
    snapshot.id = text_of(entry.subspan(kFixedBytes + extra_bytes, id_bytes));
    snapshot.name = text_of(entry.subspan(kFixedBytes + extra_bytes + id_bytes, name_bytes));
    if (uint64_t{snapshot.l1_entries} * 8 > Header::kMaxL1Bytes ||
        header.layout.in_cluster(snapshot.l1_offset) != 0) {
      return std::unexpected(refuse(number, "has no valid L1 table"));
    }
    table.snapshots.push_back(std::move(snapshot));
    at += std::min((length + 7) / 8 * 8, entry.size());
  }
  table.bytes = at;
  return table;
}

const Snapshot* find_snapshot(std::span<const Snapshot> snapshots,
                              std::string_view wanted) noexcept {
  auto found = std::ranges::find(snapshots, wanted, &Snapshot::id);
  if (found == snapshots.end()) found = std::ranges::find(snapshots, wanted, &Snapshot::name);
  return found == snapshots.end() ? nullptr : &*found;
}

}  // namespace tapring::qcow2
