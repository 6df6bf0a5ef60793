// SPDX-License-Identifier: MIT
#include "ring/persistent_grants.h"

namespace tapring {

std::byte* PersistentGrants::page(GrantRef ref) {
  if (most_ == 0) return nullptr;
  const auto known = pages_.find(ref);
  if (known != pages_.end()) return known->second.pages().data();
  // A guest takes the page that it used last, so the first ones are those it uses most.
  if (pages_.size() == most_ || budget_.left_ == 0) return nullptr;
  const auto mapped = table_.map(domain_, {&ref, 1});
  if (!mapped) {
    // Against the protocol: it is to grant such pages for reading and writing. Or there is no room
    // for mappings. Asked no more.
    most_ = pages_.size();
    return nullptr;
  }
  const auto added = pages_.emplace(ref, GrantMapping(table_, *mapped)).first;
  --budget_.left_;
  return added->second.pages().data();
}

}  // namespace tapring
