// SPDX-License-Identifier: MIT
// Which storage a file is on, found without asking that storage, as it may hang.
#pragma once

#include <istream>
#include <string>

namespace tapring {

/// Files of one name hang together: the mount point that the path leads to, by its words alone, so
/// not where symbolic links of it lead. A device is a storage of its own.
std::string storage_name(const std::string& path);

/// Likewise. `mounts`: as /proc/self/mountinfo, see proc_pid_mountinfo(5).
std::string storage_name(const std::string& path, std::istream& mounts);

}  // namespace tapring
