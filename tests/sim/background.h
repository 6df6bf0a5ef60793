// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/host/work.h"
#include "tests/sim/world.h"

namespace tapring::sim {

/// Work that takes a while of simulated time, or for ever: an image on a mount that hangs.
class SimBackground final : public Background {
 public:
  explicit SimBackground(SimWorld& world) noexcept : world_(world) {}

  /// No line waits for itself.
  void run_few(std::size_t most, const std::string& line, Work work) override;

  /// Work given from now on is held.
  void hold() noexcept { holding_ = true; }

  /// Work given from now on runs; what is held stays held.
  void stop_holding() noexcept { holding_ = false; }

  /// What is held or runs is never done.
  void drop();

  /// Lets what is held run.
  void release();

  std::size_t held() const noexcept { return held_.size(); }
  std::size_t running() const noexcept { return running_.size(); }
  bool idle() const noexcept { return running_.empty() && held_.empty(); }

  /// Refuses work beyond so much at once, as a real one may.
  void limit(std::size_t most) noexcept { most_ = most; }

 private:
  void start(Work work);

  SimWorld& world_;
  bool holding_ = false;
  std::vector<Work> held_;
  std::map<uint64_t, Work> running_;  ///< by number
  uint64_t started_ = 0;
  std::size_t most_ = static_cast<std::size_t>(-1);
};

}  // namespace tapring::sim
