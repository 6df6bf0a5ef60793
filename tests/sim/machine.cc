// SPDX-License-Identifier: MIT
#include "tests/sim/machine.h"

#include <cassert>
#include <set>

namespace tapring::sim {

SimDomain& SimMachine::create_domain(DomainId id, std::size_t pages) {
  assert(!alive(id));
  events_.add_domain(id);
  return *domains_.emplace(id, std::make_shared<SimDomain>(id, pages)).first->second;
}

void SimMachine::destroy_domain(DomainId id) {
  events_.close_all(id);
  domains_.erase(id);
}

SimDomain* SimMachine::find(DomainId id) const noexcept {
  const auto found = domains_.find(id);
  return found == domains_.end() ? nullptr : found->second.get();
}

std::size_t SimMachine::mappings() const noexcept {
  std::size_t pages = 0;
  for (const auto& [address, mapping] : mappings_) pages += mapping.refs.size();
  return pages;
}

std::size_t SimMachine::mappings_of(DomainId granter) const noexcept {
  std::size_t pages = 0;
  for (const auto& [address, mapping] : mappings_) {
    if (mapping.granter->id() == granter) pages += mapping.refs.size();
  }
  return pages;
}

std::size_t SimMachine::zombies() const noexcept {
  std::set<const SimDomain*> dead;
  for (const auto& [address, mapping] : mappings_) {
    if (find(mapping.granter->id()) != mapping.granter.get()) dead.insert(mapping.granter.get());
  }
  return dead.size();
}

}  // namespace tapring::sim
