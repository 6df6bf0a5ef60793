// SPDX-License-Identifier: MIT
#include "tests/pretend/ports.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tapring::pretend {
namespace {

PortEntry& entry_of(Machine& machine, PortAddress address) {
  return machine.domain(address.domain).ports.at(address.port);
}

PortAddress peer_of(const PortEntry& entry) {
  return {static_cast<DomainId>(entry.peer_domain), entry.peer_port};
}

void set_peer(PortEntry& entry, PortAddress peer) {
  entry.peer_domain = peer.domain;
  entry.peer_port = peer.port;
}

bool deliver(Machine& machine, Bells& bells, PortAddress address) {
  PortEntry& entry = entry_of(machine, address);
  uint32_t bits = entry.bits;
  while ((bits & (kPending | kMasked)) == kPending) {
    const uint32_t delivering = (bits & ~kPending) | kMasked | kDelivering;
    if (!entry.bits.compare_exchange_weak(bits, delivering)) continue;
    const bool told = bells.ring(entry.handle, address.port);
    entry.bits.fetch_and(~kDelivering);
    ++machine.domain(address.domain).counters.events;
    return told;
  }
  return false;
}

/// A free port of the owner's domain that is the owner's but for its state, which is for the caller
/// to set last.
Result<Port> take_port(Machine& machine, const PortOwner& owner) {
  auto& ports = machine.domain(owner.domain).ports;
  for (Port port = 1; port < kPorts; ++port) {
    PortEntry& entry = ports[port];
    if (entry.state != PortState::free) continue;
    entry.bits = 0;
    entry.owner = owner.process;
    entry.handle = owner.handle;
    return port;
  }
  return std::unexpected(system_error_code(ENOSPC));
}

}  // namespace

bool Bells::ring(uint64_t handle, Port port) {
  if (handle == 0) return false;
  auto found = fifos_.find(handle);
  if (found == fifos_.end()) {
    // For reading too: then it is no error, and no signal, if its owner is gone.
    UniqueFd fifo(::open(machine_.fifo_path(handle).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fifo) return false;
    found = fifos_.emplace(handle, std::move(fifo)).first;
  }
  return ::write(found->second.get(), &port, sizeof port) == sizeof port;
}

bool raise_event(Machine& machine, Bells& bells, PortAddress address) {
  entry_of(machine, address).bits.fetch_or(kPending);
  return deliver(machine, bells, address);
}

bool unmask_port(Machine& machine, Bells& bells, PortAddress address) {
  entry_of(machine, address).bits.fetch_and(~kMasked);
  return deliver(machine, bells, address);
}

Result<Port> allocate_port(Machine& machine, const PortOwner& owner, DomainId allowed) {
  const Result<Port> port = take_port(machine, owner);
  if (!port) return port;
  PortEntry& entry = entry_of(machine, {owner.domain, *port});
  entry.allowed = allowed;
  entry.state = PortState::unbound;
  return port;
}

Result<Port> bind_port(Machine& machine, const PortOwner& owner, PortAddress remote) {
  if (!machine.is_alive(remote.domain)) return std::unexpected(system_error_code(ESRCH));
  if (remote.port >= kPorts) return std::unexpected(system_error_code(EINVAL));
  PortEntry& theirs = entry_of(machine, remote);
  if (theirs.state != PortState::unbound || theirs.allowed != owner.domain) {
    return std::unexpected(system_error_code(EINVAL));
  }
  const Result<Port> port = take_port(machine, owner);
  if (!port) return port;
  PortEntry& ours = entry_of(machine, {owner.domain, *port});
  set_peer(ours, remote);
  // What was sent while nobody was bound is lost, so there is always one event.
  ours.bits = kPending;
  ours.state = PortState::interdomain;
  set_peer(theirs, {owner.domain, *port});
  theirs.state = PortState::interdomain;
  return port;
}

Result<Port> bind_virq_port(Machine& machine, const PortOwner& owner, uint32_t virq) {
  for (const PortEntry& entry : machine.domain(owner.domain).ports) {
    if (entry.state == PortState::virq && entry.virq == virq) {
      return std::unexpected(system_error_code(EEXIST));
    }
  }
  const Result<Port> port = take_port(machine, owner);
  if (!port) return port;
  PortEntry& entry = entry_of(machine, {owner.domain, *port});
  entry.virq = virq;
  entry.state = PortState::virq;
  return port;
}

void close_port(Machine& machine, PortAddress address) {
  PortEntry& entry = entry_of(machine, address);
  if (entry.state == PortState::interdomain) {
    const PortAddress peer = peer_of(entry);
    PortEntry& theirs = entry_of(machine, peer);
    const PortAddress back = peer_of(theirs);
    if (theirs.state == PortState::interdomain && back.domain == address.domain &&
        back.port == address.port) {
      theirs.allowed = address.domain;
      theirs.state = PortState::unbound;
    }
  }
  entry.handle = 0;
  entry.state = PortState::free;
}

void close_port_of_dead(Machine& machine, PortAddress address) {
  const PortEntry& entry = entry_of(machine, address);
  if (entry.state == PortState::interdomain) {
    const PortAddress peer = peer_of(entry);
    PortEntry& theirs = entry_of(machine, peer);
    if ((theirs.bits & kDelivering) != 0) {
      Bells(machine).ring(theirs.handle, peer.port);
      theirs.bits.fetch_and(~kDelivering);
    }
  }
  close_port(machine, address);
}

void raise_virq(Machine& machine, uint32_t virq) {
  Bells bells(machine);
  for (DomainId domain = 0; domain < kDomains; ++domain) {
    if (!machine.is_alive(domain)) continue;
    for (Port port = 1; port < kPorts; ++port) {
      const PortEntry& entry = machine.domain(domain).ports[port];
      if (entry.state == PortState::virq && entry.virq == virq) {
        raise_event(machine, bells, {domain, port});
      }
    }
  }
}

}  // namespace tapring::pretend
