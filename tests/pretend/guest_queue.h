// SPDX-License-Identifier: MIT
// One ring of a guest's disk with its requests. All memory is taken when it is made; a request
// grants its pages when it is put on the ring and takes them back with the response, as Linux's
// blkfront does without persistent grants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/pretend/events.h"
#include "tests/pretend/guest_memory.h"
#include "tests/sim/front_ring.h"

namespace tapring::pretend {

struct GuestIo {
  uint8_t operation = sim::kGuestRead;
  uint64_t sector = 0;
  uint32_t sectors = 0;
  uint32_t head = 0;    ///< sectors of the first page before the data: 0 to 7
  uint64_t ticket = 0;  ///< the caller's own

  uint32_t sectors_moved() const noexcept { return operation == sim::kGuestDiscard ? 0 : sectors; }
};

class GuestQueue {
 public:
  struct Options {
    Abi abi = Abi::x86_64;
    unsigned ring_order = 0;
    uint32_t depth = 32;  ///< requests at a time; less if the ring has less room
    uint32_t most_segments = sim::kGuestSegments;  ///< more than these: indirect requests
  };
  /// A request that used `slot` was answered. The slot's data stay until this returns.
  using Answered = std::function<void(uint32_t slot, int16_t status)>;

  GuestQueue(Machine& machine, Events& events, DomainId domain, DomainId backend,
             const Options& options, Answered answered);
  GuestQueue(const GuestQueue&) = delete;
  GuestQueue& operator=(const GuestQueue&) = delete;
  ~GuestQueue();

  Port port() const noexcept { return port_; }
  std::vector<GrantRef> ring_refs() const;
  const Options& options() const noexcept { return options_; }

  /// Room for one more request; nullopt if as many as allowed are under way.
  std::optional<uint32_t> take_slot();
  std::span<std::byte> data(uint32_t slot, const GuestIo& io) const;
  const GuestIo& io(uint32_t slot) const { return slots_.at(slot).io; }

  /// What fits `most_segments` wherever it begins in its page.
  uint32_t most_sectors() const noexcept { return options_.most_segments * 8 - 7; }

  /// The backend sees it with the next push().
  void put(uint32_t slot, const GuestIo& io);
  void push();

  /// Takes all responses.
  void event();

  uint32_t in_flight() const noexcept {
    return options_.depth - static_cast<uint32_t>(free_.size());
  }

  /// What a hardened guest disables the disk for.
  const std::vector<std::string>& violations() const noexcept { return violations_; }

  /// Ends the port and the ring's grants. False if the backend still maps the ring.
  bool release();

  // For guests that do not keep to the rules.
  sim::FrontRing& ring() noexcept { return ring_; }
  GuestMemory& memory() noexcept { return memory_; }
  std::span<std::byte> ring_bytes() const noexcept { return memory_.pages(0, ring_pages_); }
  uint32_t list_page(uint32_t slot) const noexcept;
  uint32_t data_page(uint32_t slot) const noexcept { return list_page(slot) + 1; }

 private:
  struct Slot {
    GuestIo io;
    uint32_t pages = 0;
    bool indirect = false;
    bool waiting = false;
  };

  void answer(const sim::GuestResponse& response);
  std::vector<sim::GuestSegment> segments(uint32_t slot) const;
  void violation(std::string what) { violations_.push_back(std::move(what)); }

  Events& events_;
  DomainId backend_;
  Options options_;
  uint32_t ring_pages_;
  GuestMemory memory_;
  sim::FrontRing ring_;
  Port port_;
  Answered answered_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<std::string> violations_;
  bool released_ = false;
};

}  // namespace tapring::pretend
