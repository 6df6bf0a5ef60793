// SPDX-License-Identifier: MIT
// What a client of a benchmark asks for and when it was answered, whatever way its requests go.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/bench/workload.h"

namespace tapring::bench {

/// The blocks of a disk that a client goes through.
struct Region {
  uint64_t first_block = 0;
  uint64_t blocks = 0;
};

/// Keeps a workload's depth of requests in flight. For one thread.
class Demand {
 public:
  using Clock = std::chrono::steady_clock;

  struct Request {
    uint64_t slot = 0;   ///< less than the depth; whose answer it is
    uint64_t block = 0;  ///< of the disk
    bool write = false;
  };

  /// Throws std::invalid_argument for a region without blocks.
  Demand(const Workload& workload, const Region& region, uint32_t seed);

  /// False if the depth is reached, and after stop().
  bool wants_more() const noexcept { return !stopped_ && !free_slots_.empty(); }

  /// The next request, in flight from `now` on; only if wants_more().
  Request next(Clock::time_point now);

  void answer(uint64_t slot, bool okay, Clock::time_point now);

  void stop() noexcept { stopped_ = true; }

  /// From now on, latencies are kept.
  void measure() noexcept { measuring_ = true; }

  uint64_t in_flight() const noexcept { return issued_at_.size() - free_slots_.size(); }
  uint64_t answered() const noexcept { return answered_; }
  uint64_t failures() const noexcept { return failures_; }

  /// Nanoseconds of each request since measure().
  const std::vector<uint32_t>& latencies() const noexcept { return latencies_; }

 private:
  uint64_t next_block();
  bool next_is_write();

  Workload workload_;
  Region region_;
  std::vector<uint64_t> free_slots_;
  std::vector<Clock::time_point> issued_at_;  ///< by slot
  std::vector<uint32_t> latencies_;
  uint64_t next_ = 0;  ///< of a sequential access, in blocks of the region
  uint64_t answered_ = 0;
  uint64_t failures_ = 0;
  bool stopped_ = false;
  bool measuring_ = false;
  std::minstd_rand random_;
};

}  // namespace tapring::bench
