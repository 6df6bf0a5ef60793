// SPDX-License-Identifier: MIT
// A guest that keeps a ring full: all that a benchmark needs of a frontend, and as little work as
// that can be.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "daemon/negotiation.h"
#include "tests/bench/guest_memory.h"
#include "tests/bench/workload.h"
#include "tests/sim/front_ring.h"

namespace tapring::bench {

/// The blocks of a disk that one ring goes through.
struct Region {
  uint64_t first_block = 0;
  uint64_t blocks = 0;
};

/// One ring; whoever runs it calls collect() and issue() in turn, on one thread.
class Guest {
 public:
  using Clock = std::chrono::steady_clock;

  /// Uses pages_for() pages of the memory, from `first_page` on.
  Guest(GuestMemory& memory, GrantRef first_page, const Workload& workload, const Region& region,
        uint32_t seed);
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  static std::size_t pages_for(const Workload& workload);

  /// What it would have written to xenstore of this ring.
  QueueSetup setup(Port port) const;

  /// Takes what was answered. False if nothing was.
  bool collect();

  /// Asks for as much again. True if the backend wants to be notified.
  bool issue();

  /// From now on, issue() asks for nothing.
  void stop() noexcept { stopped_ = true; }

  /// From now on, latencies are kept.
  void measure() noexcept { measuring_ = true; }

  uint64_t answered() const noexcept { return answered_; }
  uint64_t failures() const noexcept { return failures_; }
  uint32_t in_flight() const noexcept { return ring_.in_flight(); }

  /// Nanoseconds of each request since measure().
  const std::vector<uint32_t>& latencies() const noexcept { return latencies_; }

 private:
  void put(uint64_t slot);
  uint64_t next_block();
  bool next_is_write();
  void write_list(uint64_t slot);
  GrantRef list_ref(uint64_t slot) const noexcept;
  GrantRef data_ref(uint64_t slot) const noexcept { return list_ref(slot) + 1; }

  GuestMemory& memory_;
  GrantRef first_page_;
  Workload workload_;
  Region region_;
  sim::FrontRing ring_;
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
