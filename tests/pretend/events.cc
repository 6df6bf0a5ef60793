// SPDX-License-Identifier: MIT
#include "tests/pretend/events.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tests/pretend/dead_processes.h"

namespace tapring::pretend {
namespace {

UniqueFd make_fifo(const std::filesystem::path& path) {
  if (::mkfifo(path.c_str(), 0600) != 0) {
    throw std::system_error(errno, std::system_category(), path.string());
  }
  // For writing too, so that it never comes to its end.
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::system_category(), path.string());
  return fd;
}

Error not_ours() {
  return system_error_code(ENOTCONN);
}

}  // namespace

Events::Events(Machine& machine, DomainId domain)
    : machine_(machine),
      domain_(domain),
      handle_(++machine.control().last_handle),
      fifo_(make_fifo(machine.fifo_path(handle_))),
      bells_(machine) {}

Events::~Events() {
  for (Port port = 0; port < kPorts; ++port) {
    if (ports_[port]) unbind(port);
  }
  ::unlink(machine_.fifo_path(handle_).c_str());
}

Result<Port> Events::allocate_unbound(DomainId allowed) {
  const Machine::Lock lock(machine_);
  release_of_dead(machine_);
  return added(allocate_port(machine_, owner(), allowed));
}

Result<Port> Events::allocate_polled(DomainId allowed) {
  const Machine::Lock lock(machine_);
  release_of_dead(machine_);
  return added(allocate_port(machine_, {domain_, machine_.self(), 0}, allowed));
}

Result<Port> Events::bind_interdomain(DomainId domain, Port remote) {
  const Machine::Lock lock(machine_);
  release_of_dead(machine_);
  const Result<Port> port = added(bind_port(machine_, owner(), {domain, remote}));
  if (!port) return port;
  ++counters().binds;
  raise_event(machine_, bells_, {domain_, *port});
  return port;
}

Result<Port> Events::bind_virq(uint32_t virq) {
  const Machine::Lock lock(machine_);
  release_of_dead(machine_);
  return added(bind_virq_port(machine_, owner(), virq));
}

Error Events::unbind(Port port) {
  if (!is_ours(port)) return not_ours();
  ports_.reset(port);
  const Machine::Lock lock(machine_);
  if (entry(port).state == PortState::interdomain) ++counters().unbinds;
  const DomainId peer = static_cast<DomainId>(entry(port).peer_domain);
  bells_.forget(machine_.domain(peer).ports.at(entry(port).peer_port).handle);
  close_port(machine_, {domain_, port});
  return {};
}

Error Events::notify(Port port) {
  if (!is_ours(port)) return not_ours();
  ++counters().notifications;
  const PortEntry& ours = entry(port);
  // To an unbound port: lost, and no error (EVTCHNOP_send).
  if (ours.state != PortState::interdomain) return {};
  const PortAddress peer{static_cast<DomainId>(ours.peer_domain), ours.peer_port};
  if (!raise_event(machine_, bells_, peer)) ++counters().free_calls;
  return {};
}

Error Events::unmask(Port port) {
  if (!is_ours(port)) return not_ours();
  if (!unmask_port(machine_, bells_, {domain_, port})) ++counters().free_calls;
  return {};
}

Result<std::size_t> Events::take(std::span<Port> ports) {
  const ssize_t bytes = ::read(fifo_.get(), ports.data(), ports.size_bytes());
  if (bytes < 0) return std::unexpected(system_error_code(errno));
  return static_cast<std::size_t>(bytes) / sizeof(Port);
}

Result<Port> Events::added(Result<Port> port) {
  if (port) ports_.set(*port);
  return port;
}

}  // namespace tapring::pretend
