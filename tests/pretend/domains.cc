// SPDX-License-Identifier: MIT
#include "tests/pretend/domains.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>

#include "tests/pretend/dead_processes.h"
#include "tests/pretend/ports.h"

namespace tapring::pretend {
namespace {

[[noreturn]] void fail_domain(int number, const std::string& what) {
  throw std::system_error(number, std::system_category(), what);
}

void make_memory(const Machine& machine, DomainId domain) {
  const std::filesystem::path path = machine.memory_path(domain);
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(kPages * kPageBytes)) != 0) {
    fail_domain(errno, path.string());
  }
}

/// Those of processes that died stay until their pages are needed: then nobody maps them.
void drop_regions_of_dead(Machine& machine, DomainId domain) {
  DomainEntry& entry = machine.domain(domain);
  for (Region& region : entry.regions) {
    if (region.count == 0 || is_alive(region.owner)) continue;
    const auto grants = std::span(entry.grants).subspan(region.first, region.count);
    for (GrantEntry& grant : grants) grant.grant = Grant{};
    const bool in_use =
        std::ranges::any_of(grants, [](const auto& grant) { return grant.mapped != 0; });
    if (!in_use) region.count = 0;
  }
}

/// Where the first gap of so many pages begins.
uint32_t find_gap(const DomainEntry& entry, uint32_t pages) {
  uint32_t first = kReservedPages;
  for (bool moved = true; moved;) {
    moved = false;
    for (const Region& region : entry.regions) {
      const bool overlaps =
          region.count != 0 && region.first < first + pages && first < region.first + region.count;
      if (!overlaps) continue;
      first = region.first + region.count;
      moved = true;
    }
  }
  return first;
}

}  // namespace

void create_domain(Machine& machine, DomainId domain) {
  const std::string name = "domain " + std::to_string(domain);
  if (domain >= kDomains) fail_domain(EINVAL, name);
  const Machine::Lock lock(machine);
  DomainEntry& entry = machine.domain(domain);
  if (entry.state != DomainState::none) fail_domain(EEXIST, name);
  make_memory(machine, domain);
  entry.grants[kXenstoreGrant].grant = Grant{Permission::read_write, 0, kXenstorePage};
  entry.ports[kXenstorePort].allowed = 0;
  entry.ports[kXenstorePort].state = PortState::unbound;
  entry.state = DomainState::alive;
}

void destroy_domain(Machine& machine, DomainId domain) {
  const Machine::Lock lock(machine);
  if (!machine.is_alive(domain)) fail_domain(ESRCH, "domain " + std::to_string(domain));
  DomainEntry& entry = machine.domain(domain);
  entry.state = DomainState::dying;
  for (Port port = 1; port < kPorts; ++port) {
    if (entry.ports[port].state != PortState::free) close_port(machine, {domain, port});
  }
  std::filesystem::remove(machine.memory_path(domain));
  raise_virq(machine, kVirqDomainGone);
}

uint32_t take_region(Machine& machine, DomainId domain, uint32_t pages) {
  const Machine::Lock lock(machine);
  if (!machine.is_alive(domain)) fail_domain(ESRCH, "domain " + std::to_string(domain));
  release_of_dead(machine);
  drop_regions_of_dead(machine, domain);
  DomainEntry& entry = machine.domain(domain);
  const auto slot = std::ranges::find(entry.regions, 0U, &Region::count);
  const uint32_t first = find_gap(entry, pages);
  if (slot == entry.regions.end() || first + pages > kPages) {
    fail_domain(ENOMEM, "memory of domain " + std::to_string(domain));
  }
  slot->owner = machine.self();
  slot->first = first;
  slot->count = pages;
  return first;
}

void give_back_region(Machine& machine, DomainId domain, uint32_t first_page) {
  const Machine::Lock lock(machine);
  for (Region& region : machine.domain(domain).regions) {
    if (region.first == first_page) region.count = 0;
  }
}

}  // namespace tapring::pretend
