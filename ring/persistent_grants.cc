// SPDX-License-Identifier: MIT
#include "ring/persistent_grants.h"

namespace tapring {

std::byte* PersistentGrants::page(GrantRef ref) {
  if (most_ == 0) return nullptr;
  const auto known = pages_.find(ref);
  if (known != pages_.end()) return known->second.pages().data();
  // The first ones are kept: a guest reuses the page it used last, so it uses these the most.
  if (pages_.size() == most_ || budget_.left_ == 0) return nullptr;
  const auto mapped = table_.map(domain_, {&ref, 1});
  if (!mapped) {
    // The guest did not grant it for reading and writing, as the protocol demands, or there is no
    // room for mappings. Not tried again.
    most_ = pages_.size();
    return nullptr;
  }
  const auto added = pages_.emplace(ref, GrantMapping(table_, *mapped)).first;
  --budget_.left_;
  return added->second.pages().data();
}

}  // namespace tapring
