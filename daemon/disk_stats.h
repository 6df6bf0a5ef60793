// SPDX-License-Identifier: MIT
// The counters of one disk: written by its worker, read by the control thread at any time.
#pragma once

#include <atomic>
#include <cstdint>

#include "daemon/report.h"

namespace tapring {

/// A total with a single writer: an addition need not be atomic as a whole.
class Counter {
 public:
  void add(uint64_t amount) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void subtract(uint64_t amount) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) - amount, std::memory_order_relaxed);
  }
  uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

/// See DiskCounters for what each counts.
struct DiskStats {
  struct PerOperation {
    Counter requests;
    Counter bytes;
    Counter nanoseconds;
  };
  PerOperation reads;
  PerOperation writes;
  PerOperation flushes;  ///< barriers as well
  PerOperation discards;
  Counter errors;
  Counter unsupported;
  Counter wakeups;
  Counter notifications;
  Counter in_flight;
  std::atomic<bool> ring_broken = false;  ///< a queue was stopped for good: its indices are wild

  DiskCounters snapshot() const noexcept {
    DiskCounters now;
    now.reads = reads.requests.get();
    now.writes = writes.requests.get();
    now.flushes = flushes.requests.get();
    now.discards = discards.requests.get();
    now.read_bytes = reads.bytes.get();
    now.written_bytes = writes.bytes.get();
    now.discarded_bytes = discards.bytes.get();
    now.errors = errors.get();
    now.unsupported = unsupported.get();
    now.read_ns = reads.nanoseconds.get();
    now.write_ns = writes.nanoseconds.get();
    now.flush_ns = flushes.nanoseconds.get();
    now.discard_ns = discards.nanoseconds.get();
    now.wakeups = wakeups.get();
    now.notifications = notifications.get();
    now.in_flight = in_flight.get();
    return now;
  }
};

}  // namespace tapring
