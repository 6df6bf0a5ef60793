// SPDX-License-Identifier: MIT
// The journals of a worker process's disks, which the control process opens for it: the worker
// reaches no other guest's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "daemon/datapath/journal_store.h"
#include "daemon/host/control_port.h"

namespace tapring {

class RemoteJournals final : public JournalStore {
 public:
  /// `control` outlives this.
  explicit RemoteJournals(ControlPort& control) noexcept : control_(control) {}

  /// Throws ControlLost, too.
  UniqueFd open(const std::string& disk, uint32_t queue, std::size_t bytes) override;
  /// What is left where the control process is away, its next one drops when the disk is gone.
  void remove(const std::string& disk) noexcept override;
  std::set<std::string> disks() const override;

 private:
  ControlPort& control_;
};

}  // namespace tapring
