// SPDX-License-Identifier: MIT
// The ports of all domains, by Xen's rules (xen/common/event_channel.c), and how an event gets to
// the process that waits for it (as drivers/xen/evtchn.c of Linux does it). What makes or closes a
// port is called under Machine::Lock.
#pragma once

#include <cstdint>
#include <map>

#include "ring/error.h"
#include "ring/unique_fd.h"
#include "tests/pretend/machine.h"

namespace tapring::pretend {

/// Bits of PortEntry. A port that was delivered is masked until its owner unmasks it; events of
/// that time are one event afterwards.
inline constexpr uint32_t kPending = 1;
inline constexpr uint32_t kMasked = 2;
/// Masked, but its owner may not know yet: who is killed while delivering leaves this behind.
inline constexpr uint32_t kDelivering = 4;

/// Of Xen itself, at the death of a domain (VIRQ_DOM_EXC).
inline constexpr uint32_t kVirqDomainGone = 3;

struct PortAddress {
  DomainId domain = 0;
  Port port = 0;
};

/// Whose a new port is.
struct PortOwner {
  DomainId domain;
  Process process;
  uint64_t handle;
};

/// Writes into the FIFOs of handles, and keeps them open in between.
class Bells {
 public:
  explicit Bells(const Machine& machine) : machine_(machine) {}

  /// A FIFO holds each port once, so there is room; an owner that is gone does not read. False if
  /// there was nobody to tell, for which no system call is made.
  bool ring(uint64_t handle, Port port);
  void forget(uint64_t handle) { fifos_.erase(handle); }

 private:
  const Machine& machine_;
  std::map<uint64_t, UniqueFd> fifos_;
};

/// Makes an event pending at the port, and tells its owner unless the port is masked. False if that
/// took no system call; so for unmask_port().
bool raise_event(Machine& machine, Bells& bells, PortAddress address);

/// Lets the next event through, or the one that is pending.
bool unmask_port(Machine& machine, Bells& bells, PortAddress address);

/// ENOSPC without a free one.
Result<Port> allocate_port(Machine& machine, const PortOwner& owner, DomainId allowed);

/// ESRCH if there is no such domain, EINVAL if its port does not wait for us, ENOSPC.
Result<Port> bind_port(Machine& machine, const PortOwner& owner, PortAddress remote);

/// EEXIST if the domain has a port for it already, ENOSPC.
Result<Port> bind_virq_port(Machine& machine, const PortOwner& owner, uint32_t virq);

/// Its other end becomes unbound.
void close_port(Machine& machine, PortAddress address);

/// Closes what a dead process had, when an event it was about to deliver has arrived.
void close_port_of_dead(Machine& machine, PortAddress address);

void raise_virq(Machine& machine, uint32_t virq);

}  // namespace tapring::pretend
