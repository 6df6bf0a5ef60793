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
/// one, for the next control process. For one thread.
class WitnessKeeper {
 public:
  /// Takes what was handed to this process. One a process.
  WitnessKeeper();

  /// Nothing if some are kept already: those were opened before the first write.
  void keep(const std::string& disk, std::vector<UniqueFd> witnesses);

  /// Others of the same descriptions; empty if none are kept.
  std::vector<UniqueFd> fetch(const std::string& disk) const;

  /// Those that were kept. To close one may hang with its storage, which is free only after
  /// await_dropped_descriptors().
  [[nodiscard]] std::vector<UniqueFd> remove(const std::string& disk);

  std::vector<std::string> disks() const;

 private:
  std::map<std::string, std::vector<UniqueFd>> kept_;
};

}  // namespace tapring
