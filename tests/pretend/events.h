// SPDX-License-Identifier: MIT
// The event channels of one process or thread, as /dev/xen/evtchn gives them.
#pragma once

#include <bitset>
#include <cstddef>
#include <span>

#include "ring/error.h"
#include "ring/unique_fd.h"
#include "tests/pretend/ports.h"

namespace tapring::pretend {

/// One handle, for one thread. Its ports are closed with it.
class Events {
 public:
  /// Throws std::system_error.
  Events(Machine& machine, DomainId domain);
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events();

  /// Readable while there are events.
  int fd() const noexcept { return fifo_.get(); }

  Result<Port> allocate_unbound(DomainId allowed);

  /// The same for who does not wait for events, but looks into the rings again and again: nobody is
  /// told of those, so a notification costs its sender no system call.
  Result<Port> allocate_polled(DomainId allowed);
  Result<Port> bind_interdomain(DomainId domain, Port remote);
  Result<Port> bind_virq(uint32_t virq);

  // ENOTCONN for what is no port of this handle.
  Error unbind(Port port);
  Error notify(Port port);
  Error unmask(Port port);

  /// Fills `ports` with those that had events, and masks each; how many these are. EAGAIN if there
  /// is none and the descriptor does not block, which is for its owner to choose by fcntl().
  Result<std::size_t> take(std::span<Port> ports);

 private:
  Result<Port> added(Result<Port> port);
  bool is_ours(Port port) const noexcept { return port < kPorts && ports_[port]; }
  Counters& counters() { return machine_.domain(domain_).counters; }
  PortEntry& entry(Port port) { return machine_.domain(domain_).ports.at(port); }
  PortOwner owner() const { return {domain_, machine_.self(), handle_}; }

  Machine& machine_;
  DomainId domain_;
  uint64_t handle_;
  UniqueFd fifo_;
  Bells bells_;
  std::bitset<kPorts> ports_;
};

}  // namespace tapring::pretend
