// SPDX-License-Identifier: MIT
// The kernel's own backend for vbd nodes, xen-blkback: it takes every new node, and we take ours
// from it, one by one, through sysfs.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "ring/error.h"

namespace tapring {

class Blkback {
 public:
  /// `bus`: /sys/bus/xen-backend; where there is no such directory there is no xen-blkback.
  explicit Blkback(std::filesystem::path bus = "/sys/bus/xen-backend") : bus_(std::move(bus)) {}

  bool loaded() const;

  /// Whether the driver has the device `name` ("vbd-0-51712").
  bool serves(const std::string& name) const;

  /// Takes the device from the driver. With `coming` the driver is still about to take it, and this
  /// waits up to `patience` for that; otherwise a device the driver does not have is fine. Blocks
  /// while the driver sets the device up or winds it down.
  Error unbind(const std::string& name, bool coming, std::chrono::milliseconds patience) const;

  /// Gives the device back. Blocks likewise.
  Error bind(const std::string& name) const;

 private:
  Error write(const char* file, const std::string& name) const;

  std::filesystem::path bus_;
};

}  // namespace tapring
