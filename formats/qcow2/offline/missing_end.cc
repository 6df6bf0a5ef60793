// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/missing_end.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "formats/clusters/blocking_io.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/refcount_entry.h"
#include "formats/qcow2/offline/table_entries.h"

namespace tapring::qcow2 {
namespace {

/// The bound for L2 tables, and another for refcount blocks: 256 tables of the usual size.
constexpr uint64_t kMostBytes = uint64_t{16} << 20;

/// Whether any refcount of the block, from this index on, is not 0.
bool counts_from(std::span<const std::byte> block, uint64_t index, uint32_t order) {
  for (; (index << order) % 8 != 0; ++index) {
    if (load_refcount(block, index, order) != 0) return true;
  }
  return std::ranges::any_of(block.subspan((index << order) / 8),
                             [](std::byte byte) { return byte != std::byte{0}; });
}

/// Whether refcounts count clusters past the end of the file, or that cannot be known. After a
/// crash such clusters may be leaks only.
bool counts_past_end(const OpenFile& file, const Layout& layout,
                     std::span<const uint64_t> refcount_table) {
  if (refcount_table.empty()) return true;
  const uint64_t first = layout.round_up(file.size_bytes) >> layout.cluster_bits;
  const uint64_t entries = layout.refcount_block_entries();
  uint64_t read = 0;
  for (uint64_t i = first / entries; i < refcount_table.size(); ++i) {
    if (refcount_table[i] == 0) continue;
    if (read >= kMostBytes) return true;
    read += layout.cluster_bytes();
    const AlignedBytes block = read_bytes(file, refcount_table[i], layout.cluster_bytes());
    const uint64_t from = i == first / entries ? first % entries : 0;
    if (counts_from(block.span(), from, layout.refcount_order)) return true;
  }
  return false;
}

bool reads_data(const Layout& layout, const EntryWords& words) {
  constexpr uint64_t kAllocated = 0xFFFF'FFFF;
  if (words.compressed()) return true;
  if (!words.has_host(layout)) return false;
  if (layout.extended_l2) return (words.subclusters & kAllocated) != 0;
  return layout.version < 3 || (words.word & EntryBits::kZero) == 0;
}

/// The first place past the end of `data` that the table leads to.
std::optional<uint64_t> place_past_end(const OpenFile& file, const OpenFile& data,
                                       const Layout& layout, uint64_t table) {
  const uint64_t end = layout.round_up(data.size_bytes);
  std::optional<uint64_t> found;
  const auto look = [&](uint64_t, const EntryWords& words) {
    if (found || !reads_data(layout, words)) return;
    const CompressedPlace place = words.compressed() ? compressed_place(layout, words.word)
                                                     : CompressedPlace{words.host(), 1};
    if (place.offset + place.bytes > end) found = place.offset;
  };
  for_each_entry(file, layout, EntryTable::l2(layout, table), nullptr, look);
  return found;
}

}  // namespace

std::optional<std::string> find_missing_end(const OpenFile& file, const OpenFile& data,
                                            const Layout& layout, std::vector<uint64_t> l2_tables,
                                            std::span<const uint64_t> refcount_table) {
  // Refcounts do not count the clusters of a data file; but that is as long as the disk.
  const bool suspect = layout.external_data ? data.size_bytes < layout.size_bytes
                                            : counts_past_end(file, layout, refcount_table);
  if (!suspect) return std::nullopt;
  // Tables near the end were made last, and so lead to what was there.
  const std::size_t most = std::min(l2_tables.size(), kMostBytes >> layout.cluster_bits);
  const auto examined = l2_tables.begin() + static_cast<std::ptrdiff_t>(most);
  std::ranges::partial_sort(l2_tables, examined, std::greater());
  for (const uint64_t table : std::span(l2_tables).first(most)) {
    if (const auto place = place_past_end(file, data, layout, table)) {
      return data.path + " is cut off: the disk has data at its byte " + std::to_string(*place) +
             ", and it ends at " + std::to_string(data.size_bytes) +
             ": what is missing reads as zeros (tapring image check " + file.path +
             " lists it; a whole copy has it)";
    }
  }
  if (most == l2_tables.size()) return std::nullopt;
  return data.path + " may be cut off: it is shorter than its refcounts say (tapring image check " +
         file.path + " tells)";
}

}  // namespace tapring::qcow2
