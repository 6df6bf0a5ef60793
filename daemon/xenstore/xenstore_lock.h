// SPDX-License-Identifier: MIT
// One tapringd serves the disks of a xenstore: two would both answer the same rings.
#pragma once

#include <filesystem>

#include "ring/unique_fd.h"

namespace tapring {

/// The directory of xenstored's socket, or in a domain without one the device that leads to it.
std::filesystem::path place_of_xenstore();

/// Where each tapringd of this host that runs as root finds the locks, whatever its run_dir is.
/// Without root there is no such place, and it is `run_dir`.
std::filesystem::path place_of_locks(const std::filesystem::path& run_dir);

/// flock(2) on a file that is named after the device and inode of a xenstore's place. It is gone
/// with the process, however that ends. Nobody else may open the file: who can open one can lock
/// it, and would keep tapringd from starting.
class XenstoreLock {
 public:
  XenstoreLock(std::filesystem::path xenstore, std::filesystem::path locks);

  /// Does nothing where it is held already, and where there is no such xenstore yet. Throws
  /// std::runtime_error that names the process which has it, or says why it cannot be had.
  void take();

 private:
  std::filesystem::path xenstore_;
  std::filesystem::path locks_;
  UniqueFd held_;
};

}  // namespace tapring
