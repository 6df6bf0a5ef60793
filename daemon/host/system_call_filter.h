// SPDX-License-Identifier: MIT
// Keeps a worker process from system calls that no disk needs (seccomp(2)).
#pragma once

namespace tapring {

/// Whose libraries stand between the process and Xen.
enum class XenLibraries {
  of_system,  ///< they have two devices, and that is all
  replaced,   ///< on a machine without Xen: they may speak to others by files and sockets
};

/// From now on, for this thread and those it starts: any other call fails with EPERM, and the
/// kernel's log says so where it can. Processes, privileges, other processes' memory, mounts, new
/// io_urings and, with libraries of the system, new sockets are out of reach. Throws
/// std::system_error where the kernel, or a filter around this process, allows none.
void filter_system_calls(XenLibraries libraries);

}  // namespace tapring
