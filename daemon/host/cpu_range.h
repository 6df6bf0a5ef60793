// SPDX-License-Identifier: MIT
// Processors as an administrator names them: "3" or "4-7".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tapring {

/// Numbers of CPUs as in /sys/devices/system/cpu, both ends included.
struct CpuRange {
  /// One more than the largest number that can be named (CPU_SETSIZE of sched.h).
  static constexpr uint32_t kLimit = 1024;

  uint32_t first = 0;
  uint32_t last = 0;

  bool operator==(const CpuRange&) const = default;
};

/// nullopt if the text is no such range.
std::optional<CpuRange> parse_cpu_range(std::string_view text);

std::string to_string(const CpuRange& range);

/// Binds the calling thread to these CPUs, so that it also gets memory of their NUMA node.
/// Throws std::system_error that names them if none of them is online.
void run_on(const CpuRange& range);

}  // namespace tapring
