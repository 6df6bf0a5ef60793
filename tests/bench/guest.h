// SPDX-License-Identifier: MIT
// A guest that keeps a ring full, on the backend's own thread: all that a benchmark of the data
// path needs of a frontend, and as little work as that can be.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "daemon/negotiation.h"
#include "ring/event_channel.h"
#include "ring/grants.h"
#include "ring/loop.h"
#include "tests/sim/front_ring.h"

namespace tapring::bench {

struct Workload {
  bool writes = false;
  uint32_t block_bytes = 4096;
  uint32_t depth = 32;
};

/// Plain memory in place of granted pages: a reference is the number of a page.
class GuestMemory final : public GrantTable {
 public:
  explicit GuestMemory(std::size_t pages);
  ~GuestMemory() override;
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  std::span<std::byte> page(GrantRef ref) const noexcept;

  Result<std::span<std::byte>> map(DomainId domain, std::span<const GrantRef> refs) override;
  void unmap(std::span<std::byte>) override {}
  Error copy(std::span<GrantCopy> copies) override;

 private:
  std::span<std::byte> memory_;
};

/// One event channel whose other end is the guest of this thread.
class GuestEvents final : public EventChannel {
 public:
  Result<Port> bind(DomainId, Port, EventSink& sink) override {
    sink_ = &sink;
    return Port{1};
  }
  void unbind(Port) override { sink_ = nullptr; }
  void notify(Port) override {}  // the guest looks after every turn
  void unmask(Port) override {}

  void send() { sink_->event(); }

 private:
  EventSink* sink_ = nullptr;
};

/// Takes what was answered and asks for as much again, as the last act of each turn of the loop.
class Guest final : public Batch {
 public:
  /// The pages a guest needs: its ring, and for each request data and a list of segments.
  static constexpr std::size_t kRingPages = 1;
  static std::size_t pages_for(const Workload& workload);

  Guest(Loop& loop, GuestMemory& memory, GuestEvents& events, const Workload& workload,
        uint64_t disk_bytes);
  ~Guest() { loop_.remove_batch(*this); }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  /// What it would have written to xenstore.
  RingSetup rings() const;

  /// To be called on the loop, once the disk is connected.
  void start() { issue(); }

  /// Asks for nothing more.
  void stop() noexcept { stopped_ = true; }

  bool flush() override;

  uint64_t answered() const noexcept { return answered_; }
  uint32_t in_flight() const noexcept { return ring_.in_flight(); }
  uint64_t failures() const noexcept { return failures_; }

 private:
  void issue();
  void put(uint64_t slot);
  GrantRef data_ref(uint64_t slot) const noexcept;
  GrantRef list_ref(uint64_t slot) const noexcept;
  uint32_t segments() const noexcept;

  Loop& loop_;
  GuestMemory& memory_;
  GuestEvents& events_;
  Workload workload_;
  uint64_t blocks_;
  sim::FrontRing ring_;
  std::vector<uint64_t> free_slots_;
  uint64_t answered_ = 0;
  uint64_t failures_ = 0;
  bool stopped_ = false;
  std::minstd_rand random_{1};
};

}  // namespace tapring::bench
