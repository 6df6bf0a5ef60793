// SPDX-License-Identifier: MIT
#include "daemon/vbd/storage_name.h"

namespace tapring {

std::string storage_name(const std::string& path) {
  return storage_name(path, own_mounts());
}

std::string storage_name(const std::string& path, const std::vector<Mount>& mounts) {
  if (path.starts_with("/dev/")) return path;
  std::string longest;
  for (const Mount& mount : mounts) {
    if (mount.point.size() > longest.size() && mount.holds(path)) longest = mount.point;
  }
  return longest;
}

}  // namespace tapring
