// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "daemon/datapath/remote_journals.h"
#include "tests/sim/journals.h"

namespace tapring::sim {

/// A simulated worker process's journals, of which the host knows whose they are.
class SimRemoteJournals final : public JournalStore, private JournalObserver {
 public:
  SimRemoteJournals(ControlPort& control, SimJournals& journals, uint64_t process) noexcept
      : remote_(control), journals_(journals), process_(process) {}

  UniqueFd open(const std::string& disk, uint32_t queue, std::size_t bytes) override {
    UniqueFd file = remote_.open(disk, queue, bytes);
    if (!dead_) journals_.opened_by(process_, disk, queue);
    return file;
  }
  JournalObserver* observer() noexcept override { return this; }
  void remove(const std::string& disk) noexcept override { remote_.remove(disk); }
  std::set<std::string> disks() const override { return remote_.disks(); }

  /// The process is killed: nothing it does from now on has an effect.
  void die() {
    dead_ = true;
    journals_.take_from(process_);
  }

 private:
  void between_stores() noexcept override {
    if (!dead_) journals_.stored();
  }

  RemoteJournals remote_;
  SimJournals& journals_;
  const uint64_t process_;
  bool dead_ = false;
};

}  // namespace tapring::sim
