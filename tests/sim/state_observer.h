// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/host.h"

namespace tapring::sim {

/// Sees every change of a backend's state in the moment it is made, and what must hold then.
class StateObserver {
 public:
  explicit StateObserver(Host& host);
  StateObserver(const StateObserver&) = delete;
  StateObserver& operator=(const StateObserver&) = delete;
  ~StateObserver() { host_.store().observe({}); }

  /// What is wrong with it, in words; empty if nothing is. And what else must hold.
  struct Questions {
    std::function<std::string()> closed;   ///< asked when the disk's state becomes 6
    bool sound = true;  ///< its guest is: it is never refused for requests that were left behind
  };
  void expect_of(const DiskLine& line, Questions questions);

  /// Told of each change, for the log of a run.
  void report_to(std::function<void(const std::string&)> log) { log_ = std::move(log); }

  const std::vector<std::string>& faults() const noexcept { return faults_; }

 private:
  struct Disk {
    DiskLine line;
    Questions questions;
  };

  void changed(const std::string& path, unsigned before, unsigned after);
  void verdict_written(const std::string& directory, const std::string& verdict);

  Host& host_;
  std::map<std::string, Disk> disks_;  ///< by their directory
  std::function<void(const std::string&)> log_;
  std::vector<std::string> faults_;
};

}  // namespace tapring::sim
