// SPDX-License-Identifier: MIT
// One tapringd serves the disks of a xenstore: two would both answer the same rings.
#pragma once

#include <filesystem>

#include "ring/unique_fd.h"

namespace tapring {

/// The directory of xenstored's socket, or in a domain without one the device that leads to it.
/// Whoever reaches that xenstore reaches this, and needs no right to write there.
std::filesystem::path place_of_xenstore();

/// flock(2) on that place: it is gone with the process, however that ends.
class XenstoreLock {
 public:
  explicit XenstoreLock(std::filesystem::path place = place_of_xenstore());

  /// Does nothing where it is held already, and where there is no such place yet. Throws
  /// std::runtime_error that names the process which has it.
  void take();

 private:
  std::filesystem::path place_;
  UniqueFd held_;
};

}  // namespace tapring
