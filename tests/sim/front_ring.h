// SPDX-License-Identifier: MIT
// The guest's end of a blkif ring.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ring/blkif.h"
#include "tests/sim/guest_abi.h"

namespace tapring::sim {

/// What a frontend says in one ring entry. Any numbers: a hostile one may say anything.
struct FrontRequest {
  uint8_t operation = kGuestRead;
  uint8_t inner_operation = 0;  ///< of an indirect request
  uint16_t segment_count = 0;
  uint16_t handle = 0;
  uint64_t id = 0;
  uint64_t sector = 0;
  std::array<GuestSegment, kGuestSegments> segments{};
  std::array<uint32_t, kGuestIndirectPages> indirect_refs{};
  uint64_t discard_sectors = 0;
  uint8_t discard_flag = 0;
};

class FrontRing {
 public:
  /// Initialises the ring in `pages`, which outlive this.
  FrontRing(std::span<std::byte> pages, Abi abi) noexcept;

  uint32_t size() const noexcept { return size_; }
  uint32_t in_flight() const noexcept { return request_producer_ - response_consumer_; }
  bool full() const noexcept { return in_flight() >= size_; }

  /// Seen by the backend after push().
  void put(const FrontRequest& request) noexcept;

  /// True if the backend wants to be notified.
  bool push() noexcept;

  std::optional<GuestResponse> take() noexcept;

  /// Asks for an event with the next response. True if one came meanwhile: then take() again.
  bool arm() noexcept;

  /// Responses taken.
  uint32_t answered() const noexcept { return response_consumer_; }

  /// Requests that the backend can see and has not answered.
  uint32_t unanswered() const noexcept { return requests_pushed_ - answered_by_backend(); }

  /// The backend's response producer.
  uint32_t answered_by_backend() const noexcept;

  /// Claims anything about the requests there are.
  void set_producer(uint32_t value) noexcept;

  /// The backend claims more responses than there were requests.
  bool overflowed() const noexcept;

 private:
  uint32_t load(std::size_t index) const noexcept;
  void store(std::size_t index, uint32_t value) noexcept;
  std::byte* entry(uint32_t index) const noexcept;

  std::span<std::byte> pages_;
  Abi abi_;
  uint32_t size_;
  uint32_t request_producer_ = 0;
  uint32_t requests_pushed_ = 0;
  uint32_t response_consumer_ = 0;
};

}  // namespace tapring::sim
