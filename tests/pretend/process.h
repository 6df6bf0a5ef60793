// SPDX-License-Identifier: MIT
// Who owns something that processes share. A process that was killed gives nothing back: the others
// notice that it is gone.
#pragma once

#include <cstdint>

namespace tapring::pretend {

/// A process, and not another that later got its number.
struct Process {
  int32_t pid = 0;       ///< 0: Xen itself, or a guest's kernel, which never dies
  uint64_t started = 0;  ///< clock ticks after boot (proc(5), /proc/PID/stat, field 22)

  bool operator==(const Process&) const = default;
};

/// Throws std::system_error without /proc.
Process this_process();

/// False for a zombie too: it holds nothing any more.
bool is_alive(const Process& process);

}  // namespace tapring::pretend
