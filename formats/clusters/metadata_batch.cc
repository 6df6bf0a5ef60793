// SPDX-License-Identifier: MIT
#include "formats/clusters/metadata_batch.h"

#include <bit>
#include <cstring>
#include <utility>

#include "formats/clusters/join_set.h"
#include "ring/sizes.h"

namespace tapring {

void MetadataBatch::collect(MetadataRegions::Table table, DirtySlices& dirty) {
  for (const DirtySlice& each : dirty) copy(table, *each.slice);
  for (DirtySlice& each : dirty) each.collected = std::exchange(each.slice->dirty_sectors, 0);
  collected_.splice(collected_.end(), dirty);
}

void MetadataBatch::copy(MetadataRegions::Table table, const TableSlice& slice) {
  const uint32_t dirty = slice.dirty_sectors;
  for (unsigned sector = 0; sector < 32;) {
    const uint32_t rest = dirty >> sector;
    if (rest == 0) return;
    sector += static_cast<unsigned>(std::countr_zero(rest));
    const auto run = static_cast<unsigned>(std::countr_one(dirty >> sector));
    const std::size_t begin = std::size_t{sector} * kSectorBytes;
    const std::size_t bytes = std::size_t{run} * kSectorBytes;
    add(table, slice.host + begin, slice.bytes.span().subspan(begin, bytes));
    sector += run;
  }
}

void MetadataBatch::add(MetadataRegions::Table table, uint64_t host,
                        std::span<const std::byte> bytes) {
  AlignedBytes copy(bytes.size());
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  const iovec whole = copy.buffer();
  writes_.push_back({table, host, std::move(copy), whole});
}

Task<Error> MetadataBatch::write(TableWriter& tables) {
  JoinSet writes;
  Error error;
  for (const Write& write : writes_) {
    writes.add(tables.write(write.table, write.host, {&write.whole, 1}));
    while (writes.full()) keep_first(error, co_await writes.join_next());
  }
  while (!writes.empty()) keep_first(error, co_await writes.join_next());
  co_return error;
}

void MetadataBatch::restore(DirtySlices& dirty) noexcept {
  for (DirtySlice& each : collected_) each.slice->dirty_sectors |= std::exchange(each.collected, 0);
  dirty.splice(dirty.end(), collected_);
}

}  // namespace tapring
