// SPDX-License-Identifier: MIT
// Simulated time, and what happens in it. Everything of a simulated world takes its turns here, on
// one thread and in an order that follows from the seed alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "ring/executor.h"
#include "tests/sim/random.h"

namespace tapring::sim {

/// Since the world began.
using Time = std::chrono::nanoseconds;

/// A range of delays to choose from, both ends included.
struct Latency {
  Time least;
  Time most;
};

class SimWorld {
 public:
  explicit SimWorld(uint64_t seed) noexcept : seed_(seed), random_(seed) {}
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  uint64_t seed() const noexcept { return seed_; }
  Time now() const noexcept { return now_; }
  Random& random() noexcept { return random_; }

  /// Runs `work` so much later. What falls on the same moment runs in random order.
  void after(Time delay, Work work);
  void after(Latency latency, Work work) { after(pick(latency), std::move(work)); }

  Time pick(Latency latency) noexcept;

  /// Runs what comes next, and is then at its time. False if nothing is to come.
  bool step();

  /// Until `done` holds: true; or nothing is to come, or `limit` has passed: false. Throws
  /// std::runtime_error if the world spins without end.
  bool run_until(const std::function<bool()>& done, Time limit = std::chrono::seconds(60));

  /// Until nothing is to come. False if there still is after `limit`.
  bool run_until_idle(Time limit = std::chrono::seconds(60));

  /// Everything that happens in this time.
  void run_for(Time time);

 private:
  struct Event {
    Time time;
    uint64_t order;
    uint64_t number;
    Work work;
  };
  static bool later(const Event& a, const Event& b) noexcept;

  uint64_t seed_;
  Random random_;
  Time now_{0};
  uint64_t events_made_ = 0;
  std::vector<Event> events_;  ///< a heap, the next event first
};

}  // namespace tapring::sim
