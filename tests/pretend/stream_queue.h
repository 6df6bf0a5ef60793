// SPDX-License-Identifier: MIT
// A ring that a benchmark keeps full, with as little work as that can be: the segments of a slot
// never change, and nobody looks at the data.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/pretend/events.h"
#include "tests/pretend/latencies.h"
#include "tests/pretend/ring_keys.h"
#include "tests/pretend/stream_memory.h"
#include "tests/pretend/stream_work.h"
#include "tests/sim/front_ring.h"

namespace tapring::pretend {

class StreamQueue {
 public:
  /// Throws std::system_error.
  StreamQueue(StreamMemory& memory, Events& events, DomainId backend, const StreamWork& work);
  StreamQueue(const StreamQueue&) = delete;
  StreamQueue& operator=(const StreamQueue&) = delete;

  Port port() const noexcept { return port_; }
  RingKeys keys() const;

  /// Asks for as much as allowed. `now` of a clock in nanoseconds, here and below.
  void start(StreamPlan plan, uint64_t now);

  bool has_answers() const noexcept { return ring_.answered_by_backend() != ring_.answered(); }

  /// Takes what was answered, and asks for as much again unless it is to stop. Throws
  /// std::runtime_error if that cannot be.
  void turn(uint64_t now, Latencies& latencies, bool stop);

  uint32_t in_flight() const noexcept { return ring_.in_flight(); }
  uint64_t failed() const noexcept { return failed_; }

 private:
  struct Slot {
    sim::FrontRequest request;
    uint64_t begun = 0;
  };

  void make_slot(uint32_t slot);
  void put(uint64_t slot, uint64_t now);

  StreamMemory& memory_;
  Events& events_;
  StreamWork work_;
  uint32_t ring_pages_;
  uint32_t first_page_;
  uint32_t first_list_;
  sim::FrontRing ring_;
  Port port_;
  StreamPlan plan_;
  std::vector<Slot> slots_;
  uint64_t failed_ = 0;
};

}  // namespace tapring::pretend
