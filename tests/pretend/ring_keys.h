// SPDX-License-Identifier: MIT
// What a guest writes to xenstore for its rings (docs/blkif.md, "Keys").
#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/xenstore/xenstore.h"
#include "ring/event_channel.h"
#include "ring/grants.h"

namespace tapring::pretend {

struct RingKeys {
  std::vector<GrantRef> refs;  ///< of its pages
  Port port;
};

/// All rings have as many pages, a power of two.
XenstoreKeys ring_keys(const std::string& protocol, std::span<const RingKeys> rings);

}  // namespace tapring::pretend
