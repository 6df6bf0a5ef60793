// SPDX-License-Identifier: MIT
// A guest that keeps a ring full: all that a benchmark needs of a frontend, and as little work as
// that can be.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/datapath/negotiation.h"
#include "tests/bench/demand.h"
#include "tests/bench/guest_memory.h"
#include "tests/bench/workload.h"
#include "tests/sim/front_ring.h"

namespace tapring::bench {

/// One ring; whoever runs it calls collect() and issue() in turn, on one thread.
class Guest {
 public:
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
  void stop() noexcept { demand_.stop(); }

  /// From now on, latencies are kept.
  void measure() noexcept { demand_.measure(); }

  uint64_t answered() const noexcept { return demand_.answered(); }
  uint64_t failures() const noexcept { return demand_.failures(); }
  uint32_t in_flight() const noexcept { return ring_.in_flight(); }

  /// Nanoseconds of each request since measure().
  const std::vector<uint32_t>& latencies() const noexcept { return demand_.latencies(); }

 private:
  void put(const Demand::Request& wanted);
  void write_list(uint64_t slot);
  GrantRef list_ref(uint64_t slot) const noexcept;
  GrantRef data_ref(uint64_t slot) const noexcept { return list_ref(slot) + 1; }

  GuestMemory& memory_;
  GrantRef first_page_;
  Workload workload_;
  Demand demand_;
  sim::FrontRing ring_;
};

}  // namespace tapring::bench
