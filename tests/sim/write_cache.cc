// SPDX-License-Identifier: MIT
#include "tests/sim/write_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tapring::sim {

void SimWriteCache::before_write(int fd, uint64_t offset, uint64_t bytes) {
  for (uint64_t block = offset / block_bytes_; block * block_bytes_ < offset + bytes; ++block) {
    std::vector<Version>& versions = blocks_[block];
    if (versions.empty()) versions.push_back(read(fd, block, 0));
  }
}

void SimWriteCache::after_write(int fd, uint64_t offset, uint64_t bytes, uint64_t number) {
  for (uint64_t block = offset / block_bytes_; block * block_bytes_ < offset + bytes; ++block) {
    blocks_.at(block).push_back(read(fd, block, number));
  }
}

void SimWriteCache::synced(uint64_t number) {
  for (auto& [block, versions] : blocks_) {
    const auto first_later = std::ranges::find_if(
        versions, [number](const Version& version) { return version.number > number; });
    if ((first_later - 1)->given_up) continue;
    versions.erase(versions.begin(), first_later - 1);
    versions.front().number = 0;  // also for a sync that covers less and ends later
  }
  std::erase_if(blocks_, [](const auto& entry) { return entry.second.size() == 1; });
}

void SimWriteCache::sync_failed(uint64_t number) {
  for (auto& [block, versions] : blocks_) {
    for (Version& version : versions) {
      if (version.number > 0 && version.number <= number) version.given_up = true;
    }
  }
}

void SimWriteCache::drop_given_up(int fd, Random& random) {
  for (auto& [block, versions] : blocks_) {
    if (!versions.back().given_up) continue;
    write(fd, block, versions[random.below(versions.size())]);
    versions.clear();
  }
  std::erase_if(blocks_, [](const auto& entry) { return entry.second.empty(); });
}

void SimWriteCache::lose_some(int fd, Random& random) {
  for (const auto& [block, versions] : blocks_) {
    write(fd, block, versions[random.below(versions.size())]);
  }
  blocks_.clear();
}

void SimWriteCache::write(int fd, uint64_t block, const Version& version) const {
  const auto offset = static_cast<off_t>(block * block_bytes_);
  if (::pwrite(fd, version.content.data(), version.content.size(), offset) < 0) {
    throw std::system_error(errno, std::system_category(), "losing writes");
  }
}

SimWriteCache::Version SimWriteCache::read(int fd, uint64_t block, uint64_t number) const {
  Version version{.number = number, .content = std::vector<std::byte>(block_bytes_)};
  const auto offset = static_cast<off_t>(block * block_bytes_);
  const ssize_t bytes = ::pread(fd, version.content.data(), block_bytes_, offset);
  if (bytes < 0) throw std::system_error(errno, std::system_category(), "looking at a block");
  // What is past the end of the file is zeros; a file that has grown stays so.
  return version;
}

}  // namespace tapring::sim
