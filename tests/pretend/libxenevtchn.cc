// SPDX-License-Identifier: MIT
// A libxenevtchn.so.1 for processes of domain 0 on a pretend Xen. What is here is what tapringd and
// xenstored call, and behaves as tools/libs/evtchn over Linux does.
extern "C" {  // the header does not say so itself
#include <xenevtchn.h>
}

#include <cerrno>
#include <memory>
#include <system_error>

#include "tests/pretend/events.h"

using tapring::Error;
using tapring::Port;
using tapring::Result;

struct xenevtchn_handle {
  tapring::pretend::Events events{tapring::pretend::Machine::of_environment(), 0};
};

namespace {

int result_of(const Error& error) {
  if (error) errno = error.value();
  return error ? -1 : 0;
}

xenevtchn_port_or_error_t result_of(const Result<Port>& port) {
  return port ? static_cast<xenevtchn_port_or_error_t>(*port) : result_of(port.error());
}

}  // namespace

xenevtchn_handle* xenevtchn_open(xentoollog_logger*, unsigned int) {
  try {
    return std::make_unique<xenevtchn_handle>().release();
  } catch (const std::system_error& error) {
    errno = error.code().value();
    return nullptr;
  }
}

// Of a descriptor that an updated xenstored inherits: nothing does that here.
xenevtchn_handle* xenevtchn_fdopen(xentoollog_logger*, int, unsigned int) {
  errno = ENOSYS;
  return nullptr;
}

int xenevtchn_close(xenevtchn_handle* handle) {
  delete handle;
  return 0;
}

int xenevtchn_fd(xenevtchn_handle* handle) {
  return handle->events.fd();
}

int xenevtchn_notify(xenevtchn_handle* handle, evtchn_port_t port) {
  return result_of(handle->events.notify(port));
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle* handle, uint32_t domain) {
  return result_of(handle->events.allocate_unbound(static_cast<tapring::DomainId>(domain)));
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle, uint32_t domain,
                                                     evtchn_port_t remote) {
  return result_of(handle->events.bind_interdomain(static_cast<tapring::DomainId>(domain), remote));
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle* handle, unsigned int virq) {
  return result_of(handle->events.bind_virq(virq));
}

int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) {
  return result_of(handle->events.unbind(port));
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle* handle) {
  Port port = 0;
  const auto taken = handle->events.take({&port, 1});
  return taken ? static_cast<xenevtchn_port_or_error_t>(port) : result_of(taken.error());
}

int xenevtchn_unmask(xenevtchn_handle* handle, evtchn_port_t port) {
  return result_of(handle->events.unmask(port));
}
