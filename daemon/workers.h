// SPDX-License-Identifier: MIT
// Which worker a disk goes to. Control thread only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "daemon/worker.h"

namespace tapring {

/// The workers, and how many disks each has.
class Workers {
 public:
  /// At least one; they outlive this.
  explicit Workers(std::vector<Worker*> workers)
      : workers_(std::move(workers)), disks_(workers_.size()) {}

  /// Counts a disk on the worker that has fewest, and returns the worker's number.
  uint32_t assign() {
    const auto least = std::ranges::min_element(disks_);
    ++*least;
    return static_cast<uint32_t>(least - disks_.begin());
  }
  void release(uint32_t number) { --disks_[number]; }

  Worker& operator[](uint32_t number) { return *workers_[number]; }

 private:
  std::vector<Worker*> workers_;
  std::vector<std::size_t> disks_;
};

}  // namespace tapring
