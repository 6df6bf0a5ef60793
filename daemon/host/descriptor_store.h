// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/host/witness_store.h"

namespace tapring {

/// Witnesses in the service manager's descriptor store (systemd.service(5),
/// FileDescriptorStoreMax=), which hands them to each process that it starts for the service.
/// Without a service manager nothing is kept.
class DescriptorStore final : public WitnessStore {
 public:
  /// Takes what was handed to this process (sd_listen_fds(3)). One a process, and before it has
  /// other threads.
  DescriptorStore();

  void keep(const std::string& disk, std::vector<UniqueFd> witnesses) override;
  std::optional<Error> ask(const std::string& disk) override;
  void remove(const std::string& disk) override;
  bool keeps(const std::string& disk) const override;
  std::vector<std::string> disks() const override;

 private:
  struct Kept {
    std::mutex asking;              ///< the kernel tells of a loss once: a second caller must wait
    std::vector<UniqueFd> unasked;  ///< inherited; the service manager has them as well
    Error answer;                   ///< of the others
  };

  mutable std::mutex mutex_;  ///< held for a moment only
  std::map<std::string, std::shared_ptr<Kept>> kept_;
};

}  // namespace tapring
