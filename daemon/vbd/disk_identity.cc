// SPDX-License-Identifier: MIT
#include "daemon/vbd/disk_identity.h"

namespace tapring {

bool DiskIdentity::is_of_same_machine(const DiskIdentity& other) const {
  return spec.target == other.name.domain || other.spec.target == name.domain;
}

bool DiskIdentity::is_twin_of(const DiskIdentity& other) const {
  return is_of_same_machine(other) && name.device == other.name.device && !disk.path.empty() &&
         disk.path == other.disk.path && disk.format == other.disk.format;
}

bool DiskIdentity::is_migrating_with(const DiskIdentity& other) const {
  return !spec.guest.empty() && spec.guest == other.spec.guest && name.domain != other.name.domain;
}

std::string DiskIdentity::lock_name() const {
  VbdName of_guest = name;
  of_guest.domain = spec.target.value_or(name.domain);
  return of_guest.sysfs_name();
}

}  // namespace tapring
