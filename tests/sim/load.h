// SPDX-License-Identifier: MIT
// What a guest's programs do to a disk: random requests, so many at a time.
#pragma once

#include <cstdint>

#include "tests/sim/frontend.h"
#include "tests/sim/world.h"

namespace tapring::sim {

struct LoadOptions {
  uint64_t requests = 200;
  unsigned depth = 24;
  double writes = 0.5;  ///< the rest are reads
  double flushes = 0.03;
  double barriers = 0;
  double discards = 0.03;  ///< where the disk offers them
  uint32_t most_sectors = 2048;  ///< of a request; less if the disk takes less
  uint64_t region_sectors = 4096;  ///< small, so that requests meet
  bool at_end = false;             ///< the last sectors of the disk, not the first
};

/// Outlives the requests it has under way.
class SimLoad {
 public:
  /// Begins at once; the disk is connected.
  SimLoad(SimWorld& world, SimFrontend& frontend, LoadOptions options = {});

  bool done() const noexcept { return answered_ == options_.requests; }

  /// Issues no more.
  void stop() noexcept { options_.requests = issued_; }
  uint64_t issued() const noexcept { return issued_; }
  uint64_t answered() const noexcept { return answered_; }
  uint64_t failed() const noexcept { return failed_; }

  /// The longest that a request took.
  Time slowest() const noexcept { return slowest_; }

 private:
  void issue();
  void answered(int16_t status, Time begun);

  SimWorld& world_;
  SimFrontend& frontend_;
  LoadOptions options_;
  uint64_t issued_ = 0;
  uint64_t answered_ = 0;
  uint64_t failed_ = 0;
  Time slowest_{0};
};

}  // namespace tapring::sim
