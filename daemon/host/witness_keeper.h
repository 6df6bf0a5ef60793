// SPDX-License-Identifier: MIT
// Where the control process keeps the witnesses of its workers' disks: see WitnessStore, which says
// what they are for. It never asks one itself, as that may hang.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/host/service_store.h"
#include "ring/unique_fd.h"

namespace tapring {

/// In this process, for the next worker, and in the service manager's store, if there is one, for
/// the next control process. For one thread.
class WitnessKeeper {
 public:
  /// Takes what was handed to this process. One a process. `store` outlives this.
  explicit WitnessKeeper(ServiceStore& store);

  /// Nothing if some are kept already: those were opened before the first write.
  void keep(const std::string& disk, std::vector<UniqueFd> witnesses);

  /// Others of the same descriptions; empty if none are kept.
  std::vector<UniqueFd> fetch(const std::string& disk) const;

  /// Those that were kept. To close one may hang with its storage, which is free only after
  /// await_removed().
  [[nodiscard]] std::vector<UniqueFd> remove(const std::string& disk);

  /// Waits until nobody else has what was removed, but not for long. For any thread.
  void await_removed() { store_.await_dropped(); }

  std::vector<std::string> disks() const;

 private:
  ServiceStore& store_;
  std::map<std::string, std::vector<UniqueFd>> kept_;
};

}  // namespace tapring
