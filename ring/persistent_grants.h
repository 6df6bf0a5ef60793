// SPDX-License-Identifier: MIT
// Pages of a guest that stay mapped from request to request, which a guest agrees to by
// `feature-persistent` (xen/include/public/io/blkif.h): it uses the same pages again and again.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "ring/grants.h"

namespace tapring {

/// One thread. Gives all pages back when destroyed.
class PersistentGrants {
 public:
  /// Keeps up to `most` pages of `domain`; 0: none. `table` outlives it.
  PersistentGrants(GrantTable& table, DomainId domain, std::size_t most)
      : table_(table), domain_(domain), most_(most) {}

  /// The granted page, mapped now if it has not been yet; nullptr if it is not kept, and so to be
  /// copied by Xen.
  std::byte* page(GrantRef ref);

  void clear() { pages_.clear(); }

 private:
  GrantTable& table_;
  DomainId domain_;
  std::size_t most_;
  std::unordered_map<GrantRef, GrantMapping> pages_;
};

}  // namespace tapring
