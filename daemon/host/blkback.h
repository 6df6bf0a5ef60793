// SPDX-License-Identifier: MIT
// The kernel's own backend for vbd nodes, xen-blkback: it takes every new node, and we take ours
// from it, one by one, or give them to it. sysfs_blkback is the real one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/host/block_device.h"
#include "ring/error.h"

namespace tapring {

/// For any thread. Devices are named "vbd-0-51712".
class Blkback {
 public:
  /// What the driver takes of a disk that others connected (its module parameters).
  struct Limits {
    uint32_t max_queues = 0;
    uint32_t max_ring_order = 0;
    /// It keeps pages mapped of each guest that offers that, whatever was agreed with us before.
    bool persistent_grants = true;
  };

  virtual ~Blkback() = default;

  virtual bool loaded() const = 0;

  /// Whether the driver has the device.
  virtual bool serves(const std::string& name) const = 0;

  virtual Limits limits() const = 0;

  /// The block device that the driver serves a disk from, by read_block_device()'s `number`.
  virtual std::optional<BlockDevice> block_device(const std::string& number) const = 0;

  /// Turns persistent grants off for as long as the returned object lives: for every device that
  /// the driver connects meanwhile, as it has one parameter for all. Devices that are connected
  /// already stay as they are. nullptr if the parameter cannot be written. Control thread only.
  virtual std::shared_ptr<const void> without_persistent_grants() const = 0;

  /// Takes the device from the driver. With `coming` the driver is still about to take it, and this
  /// waits up to `patience` for that; otherwise a device the driver does not have is fine. Blocks
  /// while the driver sets the device up or winds it down; what it had at the storage may be under
  /// way for longer, and until that is done its event channels are bound.
  virtual Error unbind(const std::string& name, bool coming,
                       std::chrono::milliseconds patience) const = 0;

  /// Gives the device back. Blocks likewise.
  virtual Error bind(const std::string& name) const = 0;
};

}  // namespace tapring
