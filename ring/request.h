// SPDX-License-Identifier: MIT
// A guest's request as a value, decoded from bytes that were copied out of the ring once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ring/blkif.h"
#include "ring/grants.h"

namespace tapring {

/// Part of a granted page, in sectors of 512 bytes, both ends included.
struct Segment {
  GrantRef ref;
  uint8_t first_sector;
  uint8_t last_sector;

  constexpr uint32_t sectors() const noexcept { return 1U + last_sector - first_sector; }
};

/// One request. Nothing in it can be trusted before check_request() has let it pass.
struct Request {
  uint64_t id;
  uint64_t sector;
  uint8_t operation;      ///< as the guest wrote it, of an indirect request the inner one; the
                          ///< response repeats it
  bool indirect;
  uint16_t segment_count;
  std::array<Segment, kDirectSegments> segments;  ///< of a direct request, first segment_count
  GrantRef indirect_ref;  ///< of an indirect request: the page its segments are listed in
  uint64_t discard_sectors;  ///< of a discard: how many from `sector` on
  bool secure;               ///< of a discard: nobody may ever read what was there. Without
                             ///< meaning where that is not offered
};

inline bool is(const Request& request, BlkifOp operation) noexcept {
  return request.operation == static_cast<uint8_t>(operation);
}

/// Decodes one ring entry; any bytes give some Request. `entry` is a private copy of
/// layout_of(abi).entry_bytes.
Request decode_request(Abi abi, std::span<const std::byte> entry) noexcept;

/// Decodes the segment list of an indirect request from a private copy of its page.
void decode_segments(std::span<const std::byte> list, std::span<Segment> segments) noexcept;

/// What a disk lets a request do.
struct RequestLimits {
  uint64_t sectors;  ///< the disk's size
  bool read_only;
  bool discards;                 ///< whether they were offered to the guest
  bool secure_discards = false;  ///< likewise
};

/// Whether it is a discard after which nobody may ever read what was there.
inline bool is_secure(const Request& request, const RequestLimits& limits) noexcept {
  return request.secure && limits.secure_discards;
}

/// The answer to a request that is refused; nullopt if it may go on. The segments of an indirect
/// one are still to be checked then.
std::optional<BlkifStatus> check_request(const Request& request,
                                         const RequestLimits& limits) noexcept;

/// The sum of the segments' sectors; nullopt if a segment leaves its page, or if so many sectors
/// from `sector` on leave the disk.
std::optional<uint32_t> check_segments(std::span<const Segment> segments, uint64_t sector,
                                       const RequestLimits& limits) noexcept;

}  // namespace tapring
