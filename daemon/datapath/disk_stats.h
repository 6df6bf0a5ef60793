// SPDX-License-Identifier: MIT
// Counters of a disk: written by a worker, read by the control thread at any time.
#pragma once

#include <atomic>
#include <cstdint>

namespace tapring {

/// Totals since the disk was connected. Times are sums over the requests, from when a request was
/// taken out of the ring to when its response was put there.
struct DiskCounters {
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t flushes = 0;  ///< and barriers
  uint64_t discards = 0;
  uint64_t read_bytes = 0;
  uint64_t written_bytes = 0;
  uint64_t discarded_bytes = 0;
  uint64_t errors = 0;       ///< answered BLKIF_RSP_ERROR
  uint64_t unsupported = 0;  ///< answered BLKIF_RSP_EOPNOTSUPP
  uint64_t read_ns = 0;
  uint64_t write_ns = 0;
  uint64_t flush_ns = 0;
  uint64_t discard_ns = 0;
  uint64_t wakeups = 0;        ///< events that brought requests
  uint64_t notifications = 0;  ///< events sent to the guest
  uint64_t in_flight = 0;      ///< taken and not yet answered, now
  uint64_t held = 0;           ///< of those, the ones that wait for the storage
  uint64_t pauses = 0;         ///< how often the disk went from no held request to one
  uint64_t retries = 0;        ///< of held requests, that failed again
  uint64_t given_up = 0;       ///< held requests that failed, having waited as long as they may
};

/// A total with a single writer, so that load, addition and store need not be one atomic operation.
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

/// The counters of a disk's queues on one worker, in cache lines that no other thread writes. See
/// DiskCounters for what each counts.
struct alignas(64) DiskStats {
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
  std::atomic<bool> left_unanswered = false;  ///< requests were left to a successor, at the end
  std::atomic<bool> ring_broken = false;  ///< a queue was stopped: its indices are impossible

  void add_to(DiskCounters& sum) const noexcept {
    sum.reads += reads.requests.get();
    sum.writes += writes.requests.get();
    sum.flushes += flushes.requests.get();
    sum.discards += discards.requests.get();
    sum.read_bytes += reads.bytes.get();
    sum.written_bytes += writes.bytes.get();
    sum.discarded_bytes += discards.bytes.get();
    sum.errors += errors.get();
    sum.unsupported += unsupported.get();
    sum.read_ns += reads.nanoseconds.get();
    sum.write_ns += writes.nanoseconds.get();
    sum.flush_ns += flushes.nanoseconds.get();
    sum.discard_ns += discards.nanoseconds.get();
    sum.wakeups += wakeups.get();
    sum.notifications += notifications.get();
    sum.in_flight += in_flight.get();
  }
};

}  // namespace tapring
