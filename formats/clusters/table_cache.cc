// SPDX-License-Identifier: MIT
#include "formats/clusters/table_cache.h"

#include <cstring>
#include <utility>

namespace tapring {

TableSlice* TableCache::find(uint64_t host) noexcept {
  const auto found = slices_.find(host);
  if (found == slices_.end() || found->second->loading) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, found->second->place);
  return found->second;
}

Task<Result<SliceRef>> TableCache::load(uint64_t host) {
  if (const auto found = slices_.find(host); found != slices_.end()) {
    SliceRef slice = *found->second->place;
    by_use_.splice(by_use_.begin(), by_use_, slice->place);
    while (slice->loading) co_await slice->loaded.wait();
    if (slice->error) co_return std::unexpected(slice->error);
    co_return slice;
  }
  make_room();
  auto slice = std::make_shared<TableSlice>(loop_, host, slice_bytes_);
  slice->loading = true;
  slice->place = by_use_.insert(by_use_.begin(), slice);
  try {
    slices_.emplace(host, slice.get());
  } catch (...) {
    by_use_.erase(slice->place);
    throw;
  }
  const iovec whole = slice->bytes.buffer();
  {
    const GracePeriods::Reader reader(grace_periods_);
    slice->error = co_await file_.read(host, {&whole, 1});
  }
  slice->loading = false;
  slice->loaded.wake_all();
  if (slice->error) {
    slices_.erase(host);
    by_use_.erase(slice->place);
    co_return std::unexpected(slice->error);
  }
  co_return slice;
}

void TableCache::replace(uint64_t host, std::span<const std::byte> content) noexcept {
  for (uint64_t at = 0; at < content.size(); at += slice_bytes_) {
    const auto found = slices_.find(host + at);
    if (found == slices_.end()) continue;
    std::memcpy(found->second->bytes.data(), content.data() + at, slice_bytes_);
  }
}

/// Slices that are held or dirty stay, even above the budget: their number is bounded by the
/// requests in flight and by the commit.
void TableCache::make_room() noexcept {
  auto last = by_use_.end();
  while (held_bytes() > budget_bytes_ && last != by_use_.begin()) {
    const auto candidate = std::prev(last);
    if (candidate->use_count() > 1 || (*candidate)->loading || (*candidate)->dirty_sectors != 0) {
      last = candidate;
      continue;
    }
    slices_.erase((*candidate)->host);
    last = by_use_.erase(candidate);
  }
}

}  // namespace tapring
