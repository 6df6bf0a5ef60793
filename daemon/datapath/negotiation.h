// SPDX-License-Identifier: MIT
// What a frontend asks for by the keys it writes. Pure: from keys to values.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ring/blkif.h"
#include "ring/event_channel.h"
#include "ring/grants.h"

namespace tapring {

/// Of a disk, whatever is configured and its guest asks for.
inline constexpr uint32_t kMaxQueuesOfDisk = 64;

struct QueueSetup {
  std::vector<GrantRef> ring_refs;  ///< a power of two of pages
  Port event_channel = 0;           ///< the frontend's end
  uint32_t number = 0;              ///< of the disk's queues, from 0 on
};

struct RingSetup {
  Abi abi = Abi::x86_64;
  std::string protocol;
  std::vector<QueueSetup> queues;
  bool persistent_grants = false;

  /// Of the journal of one of these.
  std::size_t journal_bytes(const QueueSetup& queue) const noexcept;
};

/// The most that journal_bytes() can be.
std::size_t max_journal_bytes() noexcept;

/// What the backend's keys offered.
struct RingOffer {
  uint32_t max_queues = 1;
  uint32_t max_ring_order = 0;
  bool persistent_grants = false;
};

/// Reads a key of the frontend's directory, such as "ring-ref" or "queue-0/event-channel".
using FrontendKeys = std::function<std::optional<std::string>(const std::string&)>;

/// Reads only the keys that the numbers of queues and of pages call for: others may be left from
/// the guest's previous kernel. The error names the key, its value and what would be valid.
std::expected<RingSetup, std::string> negotiate(const FrontendKeys& read, const RingOffer& offer);

}  // namespace tapring
