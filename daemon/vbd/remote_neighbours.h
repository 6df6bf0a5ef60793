// SPDX-License-Identifier: MIT
#pragma once

#include "daemon/host/control_port.h"
#include "daemon/vbd/server.h"

namespace tapring {

/// The other worker processes of the host, as the control process knows them.
class RemoteNeighbours final : public Neighbours {
 public:
  /// `control` outlives this.
  explicit RemoteNeighbours(ControlPort& control) noexcept : control_(control) {}

  /// While the control process is away, no disk is new.
  uint64_t disks_elsewhere(uint64_t own) override;

  void tell_empty(bool is_empty) override;

 private:
  ControlPort& control_;
};

}  // namespace tapring
