// SPDX-License-Identifier: MIT
// What a guest's programs do to a disk: random reads, writes and flushes, so many at a time, and
// each read compared with what may be there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/pretend/guest_disk.h"
#include "tests/sim/disk_model.h"
#include "tests/sim/random.h"

namespace tapring::pretend {

struct LoadOptions {
  uint64_t requests = 0;  ///< 0: until stop()
  double writes = 0.5;    ///< the rest are reads
  double flushes = 0.02;
  double barriers = 0.01;
  double discards = 0.02;          ///< where the disk takes them
  uint64_t region_sectors = 8192;  ///< small, so that requests meet
  uint64_t seed = 1;
};

class Load final : public DiskUser {
 public:
  explicit Load(LoadOptions options) : options_(options), random_(options.seed) {}

  /// The disk is connected and holds what this has written, or zeros.
  void start(GuestDisk& disk);

  /// Asks for nothing more.
  void stop() noexcept { stopped_ = true; }

  /// So many more than there have been.
  void set_requests(uint64_t requests) noexcept { options_.requests = requests; }

  bool done() const noexcept {
    return (stopped_ || issued_ == options_.requests) && answered_ == issued_;
  }
  uint64_t answered() const noexcept { return answered_; }
  uint64_t failed() const noexcept { return failed_; }

  /// What was read that could not be there.
  const std::vector<std::string>& mismatches() const noexcept { return mismatches_; }

  void answered(GuestQueue& queue, uint32_t slot, int16_t status) override;
  void answered_all(GuestQueue& queue) override;

 private:
  bool wants_more() const noexcept {
    // Events come before start() too.
    return disk_ != nullptr && !stopped_ && (options_.requests == 0 || issued_ < options_.requests);
  }
  GuestIo next(uint32_t most_sectors);
  uint8_t next_operation();

  LoadOptions options_;
  sim::Random random_;
  sim::DiskModel model_;
  GuestDisk* disk_ = nullptr;
  uint64_t issued_ = 0;
  uint64_t answered_ = 0;
  uint64_t failed_ = 0;
  bool stopped_ = false;
  std::vector<std::string> mismatches_;
};

}  // namespace tapring::pretend
