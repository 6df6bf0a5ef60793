// SPDX-License-Identifier: MIT
// Who may do what with a node of xenstore, and how much of it a domain may have: docs/misc/
// xenstore.txt (SET_PERMS) and the defaults of xenstored, of the Xen sources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "ring/grants.h"

namespace tapring::sim {

/// "n", "r", "w" and "b".
enum class Right : uint8_t { none = 0, read = 1, write = 2, both = 3 };

/// The owner may do everything, and so may domain 0.
struct StoreAccess {
  DomainId owner = 0;
  Right others = Right::none;
  std::map<DomainId, Right> named = {};

  bool permits(DomainId domain, Right right) const {
    if (domain == 0 || domain == owner) return true;
    const auto found = named.find(domain);
    const Right given = found == named.end() ? others : found->second;
    return (static_cast<unsigned>(given) & static_cast<unsigned>(right)) != 0;
  }
};

/// Of each domain but domain 0.
struct StoreQuota {
  static constexpr std::size_t kNodes = 1000;
  static constexpr std::size_t kNodeBytes = 2048;  ///< with the names of its children
  static constexpr std::size_t kWatches = 128;
  static constexpr std::size_t kTransactions = 10;
};

/// Of a message to xenstored; for domain 0 as well.
constexpr std::size_t kMaxPayloadBytes = 4096;

}  // namespace tapring::sim
