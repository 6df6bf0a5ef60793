// SPDX-License-Identifier: MIT
#include "tests/sim/write_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tapring::sim {

void SimWriteCache::before_write(int fd, uint64_t offset, uint64_t bytes) {
  for (uint64_t sector = offset / kSector; sector < (offset + bytes) / kSector; ++sector) {
    std::vector<Version>& versions = sectors_[sector];
    if (versions.empty()) versions.push_back(read(fd, sector, 0));
  }
}

void SimWriteCache::after_write(int fd, uint64_t offset, uint64_t bytes, uint64_t number) {
  for (uint64_t sector = offset / kSector; sector < (offset + bytes) / kSector; ++sector) {
    sectors_.at(sector).push_back(read(fd, sector, number));
  }
}

void SimWriteCache::synced(uint64_t number) {
  for (auto& [sector, versions] : sectors_) {
    const auto first_later = std::ranges::find_if(
        versions, [number](const Version& version) { return version.number > number; });
    versions.erase(versions.begin(), first_later - 1);
    versions.front().number = 0;  // also for a sync that covers less and ends later
  }
  std::erase_if(sectors_, [](const auto& entry) { return entry.second.size() == 1; });
}

void SimWriteCache::lose_some(int fd, Random& random) {
  for (const auto& [sector, versions] : sectors_) {
    const Version& left = versions[random.below(versions.size())];
    if (::pwrite(fd, left.content.data(), kSector, static_cast<off_t>(sector * kSector)) < 0) {
      throw std::system_error(errno, std::system_category(), "losing writes");
    }
  }
  sectors_.clear();
}

SimWriteCache::Version SimWriteCache::read(int fd, uint64_t sector, uint64_t number) {
  Version version{.number = number, .content = {}};
  const auto offset = static_cast<off_t>(sector * kSector);
  if (::pread(fd, version.content.data(), kSector, offset) < 0) {
    throw std::system_error(errno, std::system_category(), "looking at a sector");
  }
  return version;
}

}  // namespace tapring::sim
