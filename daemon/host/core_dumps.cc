// SPDX-License-Identifier: MIT
#include "daemon/host/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "ring/scratch_pages.h"

namespace tapring {
namespace {

constexpr std::array kNames = {"none", "without-guest-data", "full"};

// core(5): anonymous memory, private and shared, and the first pages of programs and libraries.
// Nothing of files: the journal of requests is one.
constexpr const char* kFilter = "0x33";

}  // namespace

std::span<const char* const> core_dumps_names() noexcept {
  return kNames;
}

std::optional<CoreDumps> parse_core_dumps(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<CoreDumps>(found - kNames.begin());
}

const char* core_dumps_name(CoreDumps choice) noexcept {
  return kNames[static_cast<std::size_t>(choice)];
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
