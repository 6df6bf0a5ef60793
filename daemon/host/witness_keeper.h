// SPDX-License-Identifier: MIT
// Where the control process keeps the witnesses of its workers' disks: see WitnessStore, which says
// what they are for. It never asks one itself, as that may hang.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ring/unique_fd.h"

namespace tapring {

/// In this process, for the next worker, and in the service manager's descriptor store, if there is
/// one, for the next control process (systemd.service(5), FileDescriptorStoreMax=). For one thread.
class WitnessKeeper {
 public:
  /// Takes what was handed to this process (sd_listen_fds(3)). One a process.
  WitnessKeeper();

  void keep(const std::string& disk, std::vector<UniqueFd> witnesses);

  /// Others of the same descriptions; empty if none are kept.
  std::vector<UniqueFd> fetch(const std::string& disk) const;

  void remove(const std::string& disk);

  /// Waits until the service manager has let go of what was removed: only then is its storage free.
  /// For any thread.
  static void await_removal();

  std::vector<std::string> disks() const;

 private:
  std::map<std::string, std::vector<UniqueFd>> kept_;
};

}  // namespace tapring
