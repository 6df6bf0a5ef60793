// SPDX-License-Identifier: MIT
// What another process, a backend, uses of the machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ring/unique_fd.h"

namespace tapring::pretend {

/// User and system time of all its threads, those that ended and those of the kernel for its
/// io_uring too, to the nanosecond (clock_getcpuclockid(3)). Throws std::system_error.
double cpu_seconds_of(pid_t process);

/// Resident memory without what it shares with others: a guest's pages lie in files here, and in
/// no process on Xen. Throws std::runtime_error.
uint64_t resident_kib_of(pid_t process);

/// Counts the system calls of a process from when it is made, by the kernel's tracepoint: each
/// costs the process some time.
class SystemCalls {
 public:
  /// nullopt where this kernel, or our rights, do not allow it.
  static std::optional<SystemCalls> of(pid_t process);

  uint64_t count() const;

 private:
  std::vector<UniqueFd> counters_;  ///< one for each thread there was
};

}  // namespace tapring::pretend
