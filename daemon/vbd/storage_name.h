// SPDX-License-Identifier: MIT
// Which storage a file is on, found without asking that storage, as it may hang.
#pragma once

#include <string>
#include <vector>

#include "daemon/host/mount.h"

namespace tapring {

/// Files of one name hang together: the mount point that the path leads to, by its words alone. A
/// device is a storage of its own.
std::string storage_name(const std::string& path);

/// Likewise.
std::string storage_name(const std::string& path, const std::vector<Mount>& mounts);

}  // namespace tapring
