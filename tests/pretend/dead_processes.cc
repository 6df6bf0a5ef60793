// SPDX-License-Identifier: MIT
#include "tests/pretend/dead_processes.h"

#include <map>
#include <span>
#include <utility>

#include "tests/pretend/ports.h"

namespace tapring::pretend {
namespace {

/// Asks once for each process.
class Census {
 public:
  bool is_dead(const Process& process) {
    const auto [found, first] = known_.try_emplace({process.pid, process.started}, false);
    if (first) found->second = !is_alive(process);
    return found->second;
  }

 private:
  std::map<std::pair<int32_t, uint64_t>, bool> known_;
};

void close_ports(Machine& machine, DomainId domain, Census& census) {
  for (Port port = 1; port < kPorts; ++port) {
    const PortEntry& entry = machine.domain(domain).ports[port];
    if (entry.state != PortState::free && census.is_dead(entry.owner)) {
      close_port_of_dead(machine, {domain, port});
    }
  }
}

void end_mappings(Machine& machine, Census& census) {
  Control& control = machine.control();
  for (Mapping& mapping : std::span(control.mappings).first(control.mappings_used)) {
    if (!mapping.used || !census.is_dead(mapping.owner)) continue;
    mapping.used = false;
    --machine.domain(mapping.domain).grants.at(mapping.ref).mapped;
  }
}

}  // namespace

void release_of_dead(Machine& machine) {
  Census census;
  for (DomainId domain = 0; domain < kDomains; ++domain) {
    if (machine.is_alive(domain)) close_ports(machine, domain, census);
  }
  end_mappings(machine, census);
}

}  // namespace tapring::pretend
