// SPDX-License-Identifier: MIT
#include "daemon/host/disk_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>

namespace tapring {

uint32_t disk_limit(uint64_t descriptors, uint32_t workers) noexcept {
  const uint64_t daemon = descriptors_of_daemon(workers);
  const uint64_t left = descriptors > daemon ? descriptors - daemon : 0;
  const uint64_t disks = left / descriptors_of_disk(workers);
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(disks, 1, std::numeric_limits<uint32_t>::max()));
}

std::size_t mapping_limit() {
  constexpr std::size_t kOfLinux = 65530;
  std::size_t mappings = 0;
  return std::ifstream("/proc/sys/vm/max_map_count") >> mappings ? mappings : kOfLinux;
}

uint64_t raise_descriptor_limit() noexcept {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace tapring
