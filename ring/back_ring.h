// SPDX-License-Identifier: MIT
// The backend's end of a blkif ring in shared memory (xen/include/public/io/ring.h). The guest may
// write anything anywhere in it at any time: each index is read once, each request is copied once,
// and nothing is trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ring/blkif.h"
#include "ring/request.h"

namespace tapring {

/// Takes requests out of a ring and puts responses in. One thread.
class BackRing {
 public:
  /// `pages`: a power of two of mapped pages, up to 1 << kMaxRingOrder; they outlive the ring.
  /// Requests are taken from the response producer on: those before it are answered.
  BackRing(std::span<std::byte> pages, Abi abi) noexcept;

  /// The next request; nullopt if there is none, or once broken(). `copy` gets its bytes as they
  /// were in the ring: layout_of(abi).entry_bytes.
  std::optional<Request> take(std::span<std::byte> copy) noexcept;

  /// Goes on behind the first `taken` requests after the response producer, which a predecessor
  /// took. False, and nothing happens, if there are not so many.
  bool skip(uint32_t taken) noexcept;

  /// Whether take() would give a request, or find the ring broken.
  bool has_request() const noexcept;

  /// Asks for an event with the next request. True if a request came meanwhile: then take() it.
  bool arm() noexcept;

  /// Writes a response to the slot that is next; seen by the guest after push().
  void respond(uint64_t id, uint8_t operation, BlkifStatus status) noexcept;

  /// What the next response's index will be.
  uint32_t next_response() const noexcept { return response_producer_; }

  /// Shows the guest all responses. True if it wants to be notified.
  bool push() noexcept;

  /// Whether the guest claimed more requests than the ring holds: then nothing more is taken.
  bool broken() const noexcept { return broken_; }

  uint32_t size() const noexcept { return size_; }

  /// Requests taken and not yet answered.
  uint32_t in_flight() const noexcept { return request_consumer_ - response_producer_; }

  /// Requests in the ring, by its indices, that have no response. If more than size(), the indices
  /// are broken.
  uint32_t unanswered() const noexcept;

 private:
  uint32_t load_index(std::size_t offset) const noexcept;
  void store_index(std::size_t offset, uint32_t value) noexcept;
  std::span<std::byte> entry(uint32_t index) const noexcept;

  std::span<std::byte> pages_;
  Abi abi_;
  uint32_t size_;
  uint32_t request_consumer_;
  uint32_t response_producer_;   ///< including responses not yet pushed
  uint32_t responses_pushed_;
  bool broken_ = false;
};

}  // namespace tapring
