// SPDX-License-Identifier: MIT
// The hypervisor: domains, what is mapped of whom, and event channels.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "tests/sim/domain.h"
#include "tests/sim/event_table.h"
#include "tests/sim/world.h"

namespace tapring::sim {

class SimGrants;

class SimMachine {
 public:
  /// With domain 0.
  explicit SimMachine(SimWorld& world) : events_(world) { create_domain(0); }
  SimMachine(const SimMachine&) = delete;
  SimMachine& operator=(const SimMachine&) = delete;

  SimDomain& create_domain(DomainId id, std::size_t pages = SimDomain::kDefaultPages);

  /// Its ports close at once. Its memory stays for as long as it is mapped, as that of a zombie.
  void destroy_domain(DomainId id);

  bool alive(DomainId id) const noexcept { return domains_.contains(id); }

  /// nullptr if there is none or it was destroyed.
  SimDomain* find(DomainId id) const noexcept;

  /// Of a domain that is there. Its memory can be looked at for as long as this is held.
  std::shared_ptr<SimDomain> share(DomainId id) const { return domains_.at(id); }

  /// Pages mapped of all domains by all; of one domain by all.
  std::size_t mappings() const noexcept;
  std::size_t mappings_of(DomainId granter) const noexcept;

  /// Destroyed domains whose pages are still mapped.
  std::size_t zombies() const noexcept;

  SimEventTable& events() noexcept { return events_; }

 private:
  friend class SimGrants;

  struct Mapping {
    std::shared_ptr<SimDomain> granter;
    std::vector<GrantRef> refs;
    const SimGrants* by;
  };

  SimEventTable events_;
  std::map<DomainId, std::shared_ptr<SimDomain>> domains_;
  std::map<std::byte*, Mapping> mappings_;  ///< by where they are mapped
};

}  // namespace tapring::sim
