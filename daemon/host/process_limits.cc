// SPDX-License-Identifier: MIT
#include "daemon/host/process_limits.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "ring/scratch_pages.h"

namespace tapring {
namespace {

// core(5): anonymous memory, private and shared, and the first pages of programs and libraries.
// Nothing of files: the journal of requests is one.
constexpr const char* kFilter = "0x33";

}  // namespace

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

void allow_core_dumps(CoreDumps choice) {
  if (choice == CoreDumps::none) {
    // The limit alone does not hold where a program takes the dumps (core_pattern with a pipe).
    const rlimit nothing{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &nothing);
    ::prctl(PR_SET_DUMPABLE, 0);
    return;
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_CORE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_CORE, &limit);
  std::ofstream("/proc/self/coredump_filter") << kFilter;
  if (choice == CoreDumps::full) include_guest_data_in_dumps();
}

}  // namespace tapring
