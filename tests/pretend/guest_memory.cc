// SPDX-License-Identifier: MIT
#include "tests/pretend/guest_memory.h"

#include <algorithm>

#include "tests/pretend/dead_processes.h"
#include "tests/pretend/domains.h"

namespace tapring::pretend {

GuestMemory::GuestMemory(Machine& machine, DomainId domain, uint32_t pages)
    : machine_(machine),
      domain_(domain),
      first_(take_region(machine, domain, pages)),
      count_(pages),
      view_(machine, domain, first_, pages) {}

GuestMemory::~GuestMemory() {
  for (uint32_t i = 0; i < count_; ++i) machine_.domain(domain_).grants[ref(i)].grant = Grant{};
  give_back_region(machine_, domain_, first_);
}

std::span<std::byte> GuestMemory::pages(uint32_t index, uint32_t count) const noexcept {
  return view_.bytes().subspan(index * kPageBytes, count * kPageBytes);
}

void GuestMemory::grant(uint32_t index, DomainId to, Permission permission) noexcept {
  machine_.domain(domain_).grants[ref(index)].grant = Grant{permission, to, ref(index)};
}

bool GuestMemory::end_access(uint32_t index) {
  GrantEntry& entry = machine_.domain(domain_).grants[ref(index)];
  // In this order: who maps it counts first and looks at the grant then.
  const Grant ended = entry.grant.exchange(Grant{});
  if (entry.mapped == 0 || !is_mapped(ref(index))) return true;
  entry.grant = ended;
  return false;
}

bool GuestMemory::is_mapped(GrantRef ref) {
  const Machine::Lock lock(machine_);
  release_of_dead(machine_);
  const Control& control = machine_.control();
  const auto records = std::span(control.mappings).first(control.mappings_used);
  const auto count = std::ranges::count_if(records, [&](const Mapping& mapping) {
    return mapping.used && mapping.domain == domain_ && mapping.ref == ref;
  });
  machine_.domain(domain_).grants[ref].mapped = static_cast<uint32_t>(count);
  return count > 0;
}

}  // namespace tapring::pretend
