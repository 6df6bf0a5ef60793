// SPDX-License-Identifier: MIT
// Which disk of which guest a vbd is.
//
// Two vbds may be one disk: a guest's, and that of the stub domain that runs its device model.
// libxl gives both the same device number and params. Both are attached at the same time, and used
// one after the other: by firmware and boot loader through the stub domain, then by the guest's own
// driver.
#pragma once

#include <string>

#include "daemon/config/disk_spec.h"
#include "daemon/vbd/vbd_node.h"
#include "daemon/xenstore/vbd_name.h"

namespace tapring {

/// A view of what a device knows of itself.
struct DiskIdentity {
  const VbdName& name;
  const VbdSpec& spec;
  const DiskSpec& disk;

  /// One is the domain of a guest, and the other that of its stub domain.
  bool is_of_same_machine(const DiskIdentity& other) const;

  /// Both are one disk.
  bool is_twin_of(const DiskIdentity& other) const;

  /// Both domains are one guest, which migrates from one to the other on this host.
  bool is_migrating_with(const DiskIdentity& other) const;

  /// What no other disk of this host is called, but for its twin: each of the two waits for what
  /// the other's last tapringd has under way.
  std::string lock_name() const;
};

}  // namespace tapring
