// SPDX-License-Identifier: MIT
#include "formats/qcow2/sector_writes.h"

#include <bit>
#include <cstring>
#include <utility>

#include "formats/qcow2/parts.h"

namespace tapring::qcow2 {

void SectorWrites::take(MetadataMap::Table table, const SliceRef& slice) {
  const uint32_t dirty = std::exchange(slice->dirty_sectors, 0);
  taken_.push_back({slice, dirty});
  for (unsigned sector = 0; sector < 32;) {
    const uint32_t rest = dirty >> sector;
    if (rest == 0) return;
    sector += static_cast<unsigned>(std::countr_zero(rest));
    const auto run = static_cast<unsigned>(std::countr_one(dirty >> sector));
    const std::size_t begin = std::size_t{sector} * kSector;
    add(table, slice->host + begin,
        slice->bytes.span().subspan(begin, std::size_t{run} * kSector));
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
    if (!parts.full()) continue;
    const Error of_parts = co_await parts.done();
    if (!error) error = of_parts;
  }
  const Error of_parts = co_await parts.done();
  co_return error ? error : of_parts;
}

std::vector<SliceRef> SectorWrites::give_back() {
  std::vector<SliceRef> slices;
  for (const Taken& taken : taken_) {
    taken.slice->dirty_sectors |= taken.sectors;
    slices.push_back(taken.slice);
  }
  return slices;
}

}  // namespace tapring::qcow2
