// SPDX-License-Identifier: MIT
// The guests of a benchmark, all on one thread that sleeps when none has anything to do.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tests/bench/doorbell.h"
#include "tests/bench/guest.h"

namespace tapring::bench {

/// Guest number N has port N.
class GuestThread {
 public:
  /// `measured`: the first so many guests are what is measured, the rest are neighbours that
  /// disturb them. `bell`: rung by the backend. `send`: rings the backend, on this thread.
  GuestThread(std::vector<std::unique_ptr<Guest>>& guests, std::size_t measured, Doorbell& bell,
              std::function<void(Port)> send);
  GuestThread(const GuestThread&) = delete;
  GuestThread& operator=(const GuestThread&) = delete;

  /// From now on latencies are kept.
  void measure() noexcept { measuring_ = true; }

  uint64_t answered() const noexcept { return answered_.load(std::memory_order_relaxed); }
  uint64_t answered_neighbours() const noexcept {
    return answered_neighbours_.load(std::memory_order_relaxed);
  }

  /// Processor time of this thread so far.
  std::chrono::nanoseconds processor_time() const;

  /// Asks for nothing more, waits for what is in flight, and ends the thread. Once.
  void stop();

 private:
  void run();
  void turn(Port port);
  bool any_in_flight() const;

  std::vector<std::unique_ptr<Guest>>& guests_;
  std::size_t measured_;
  Doorbell& bell_;
  std::function<void(Port)> send_;
  std::atomic<bool> measuring_ = false;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> answered_ = 0;
  std::atomic<uint64_t> answered_neighbours_ = 0;
  std::thread thread_;
};

}  // namespace tapring::bench
