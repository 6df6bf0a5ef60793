// SPDX-License-Identifier: MIT
// The journals under /run/tapring: what a killed daemon left in them is there for the next.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "daemon/datapath/journal_store.h"
#include "ring/executor.h"
#include "ring/unique_fd.h"

namespace tapring::sim {

class SimJournals {
 public:
  UniqueFd open(const std::string& disk, uint32_t queue, std::size_t bytes);
  void remove(const std::string& disk) noexcept;

  /// Whoever has them mapped writes from now on to copies that nobody reads.
  void take_from_all();

  // Where several processes have them: who got the journal last. take_from() is about its own.
  void opened_by(uint64_t process, const std::string& disk, uint32_t queue) {
    openers_[{disk, queue}] = process;
  }
  void take_from(uint64_t process);

  /// As if the machine had been started anew.
  void clear() noexcept { files_.clear(); }

  std::set<std::string> disks() const;

  std::size_t count() const noexcept { return files_.size(); }

  /// `work` is done between two stores to any journal, when so many have gone by.
  void at_store(uint64_t number, Work work);

  void stored();

 private:
  using Name = std::pair<std::string, uint32_t>;

  static UniqueFd copy(const UniqueFd& file);

  std::map<Name, UniqueFd> files_;
  std::map<Name, uint64_t> openers_;
  uint64_t stores_left_ = 0;
  Work at_store_;
};

/// One daemon's way to them.
class SimJournalStore final : public JournalStore, private JournalObserver {
 public:
  explicit SimJournalStore(SimJournals& journals) noexcept : journals_(journals) {}

  UniqueFd open(const std::string& disk, uint32_t queue, std::size_t bytes) override;
  JournalObserver* observer() noexcept override { return this; }
  void remove(const std::string& disk) noexcept override;
  std::set<std::string> disks() const override { return journals_.disks(); }

  /// The process is killed: nothing it does from now on has an effect.
  void die() noexcept { dead_ = true; }

 private:
  void between_stores() noexcept override {
    if (!dead_) journals_.stored();
  }

  SimJournals& journals_;
  bool dead_ = false;
};

}  // namespace tapring::sim
