// SPDX-License-Identifier: MIT
#include "formats/clusters/sector_writes.h"

#include <bit>
#include <cstring>
#include <utility>

#include "formats/clusters/parts.h"

namespace tapring {

using qcow2::kSector;

void SectorWrites::take(MetadataMap::Table table, DirtySlices& dirty) {
  for (const DirtySlice& each : dirty) copy(table, *each.slice);
  for (DirtySlice& each : dirty) each.taken = std::exchange(each.slice->dirty_sectors, 0);
  taken_.splice(taken_.end(), dirty);
}

void SectorWrites::copy(MetadataMap::Table table, const Slice& slice) {
  const uint32_t dirty = slice.dirty_sectors;
  for (unsigned sector = 0; sector < 32;) {
    const uint32_t rest = dirty >> sector;
    if (rest == 0) return;
    sector += static_cast<unsigned>(std::countr_zero(rest));
    const auto run = static_cast<unsigned>(std::countr_one(dirty >> sector));
    const std::size_t begin = std::size_t{sector} * kSector;
    add(table, slice.host + begin, slice.bytes.span().subspan(begin, std::size_t{run} * kSector));
    sector += run;
  }
}

void SectorWrites::add(MetadataMap::Table table, uint64_t host,
                       std::span<const std::byte> bytes) {
  AlignedBytes copy(bytes.size());
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  const iovec whole = copy.buffer();
  writes_.push_back({table, host, std::move(copy), whole});
}

Task<Error> SectorWrites::write(TableWriter& tables) {
  Parts parts;
  Error error;
  for (const Write& write : writes_) {
    parts.add(tables.write(write.table, write.host, {&write.whole, 1}));
    while (parts.full()) keep_first(error, co_await parts.next());
  }
  while (parts.under_way()) keep_first(error, co_await parts.next());
  co_return error;
}

void SectorWrites::give_back(DirtySlices& dirty) noexcept {
  for (DirtySlice& each : taken_) each.slice->dirty_sectors |= std::exchange(each.taken, 0);
  dirty.splice(dirty.end(), taken_);
}

}  // namespace tapring
