// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "daemon/vbd/administration.h"

namespace tapring::sim {

/// The processes of tapringd on a simulated host, from one start of the service to its end.
class SimDaemon : public Administration {
 public:
  /// As `systemctl reload` has it do.
  virtual void configure() = 0;

  // As it does now and then by itself.
  virtual void check_sizes() = 0;
  virtual void check_guests() = 0;

  /// As systemd has it do at the end of the service; then idle() holds some time.
  virtual void shut_down() = 0;
  virtual bool idle() const = 0;

  /// All its processes are killed: nothing they do from now on has an effect, but they come to an
  /// end, when idle() holds.
  virtual void die() = 0;

  /// Ports of event channels.
  virtual std::size_t bound() const = 0;
};

}  // namespace tapring::sim
