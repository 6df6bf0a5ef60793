// SPDX-License-Identifier: MIT
// What the control process keeps of disks for their next worker: the journals of their rings, and
// witnesses of lost writes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/datapath/journal_store.h"
#include "daemon/host/witness_keeper.h"
#include "daemon/host/work.h"
#include "ring/unique_fd.h"

namespace tapring {

/// Of the control thread.
class DiskRecords {
 public:
  using IsOf = std::function<bool(const std::string& disk)>;

  /// All outlive this.
  DiskRecords(JournalStore& journals, WitnessKeeper& witnesses, Background& background) noexcept
      : journals_(journals), witnesses_(witnesses), background_(background) {}

  /// Of the disks that are not there any more.
  void drop(const IsOf& is_stale);

  /// `words`: of Verb::journal_open. No more, and no larger ones, than a disk can have. Throws
  /// std::system_error.
  UniqueFd open_journal(const std::vector<std::string>& words);
  void remove_journals(const std::string& disk) { journals_.remove(disk); }
  std::vector<std::string> disks_with_journals(const IsOf& is_own) const;
  std::vector<std::string> disks_with_witnesses(const IsOf& is_own) const;

  WitnessKeeper& witnesses() noexcept { return witnesses_; }

 private:
  JournalStore& journals_;
  WitnessKeeper& witnesses_;
  Background& background_;
};

}  // namespace tapring
