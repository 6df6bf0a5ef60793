// SPDX-License-Identifier: MIT
// What people are told of a device: how its state is called, why it is not what they may expect,
// and what its parts know.
#pragma once

#include <string>

#include "daemon/vbd/blkback_handover.h"
#include "daemon/vbd/connection.h"
#include "daemon/vbd/node_claim.h"

namespace tapring {

/// A view of a device and its parts.
struct DeviceStatus {
  const DiskIdentity& identity;
  const std::string& label;
  Owner owner;
  VbdState states;
  bool frontend_dead;
  const std::string& reason;  ///< why the device was last refused, left to others or kept
  const ImageOpener& image;
  const Connection& connection;
  const StoragePause& pause;
  const FaultLog& faults;
  const BlkbackHandover& handover;

  DiskReport report() const;

 private:
  std::string name() const;
  std::string explanation() const;
  bool has_failed() const { return connection.is_connected() && !faults.failure().empty(); }
  std::string why_not_connected() const;
};

}  // namespace tapring
