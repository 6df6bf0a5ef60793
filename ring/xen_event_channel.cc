// SPDX-License-Identifier: MIT
#include "ring/xen_event_channel.h"

#include <fcntl.h>
#include <poll.h>

#include <cerrno>
#include <system_error>

#include "ring/xen_grants.h"

namespace tapring {
namespace {

// How many events are handled in a turn of the loop. Others stay readable, while other work is
// done.
constexpr int kMaxPortsPerTurn = 256;

}  // namespace

XenEventChannel::XenEventChannel(UringLoop& loop)
    : loop_(loop), handle_(xenevtchn_open(silent_xen_log(), 0)) {
  if (!handle_) {
    throw std::system_error(errno, std::system_category(),
                            "open /dev/xen/evtchn (is this a Xen domain, and xen-evtchn loaded?)");
  }
  const int fd = xenevtchn_fd(handle_.get());
  if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::system_category(), "fcntl /dev/xen/evtchn");
  }
  poll();
}

Result<Port> XenEventChannel::bind(DomainId domain, Port remote, EventSink& sink) {
  const xenevtchn_port_or_error_t port =
      xenevtchn_bind_interdomain(handle_.get(), domain, remote);
  if (port < 0) return std::unexpected(system_error_code(errno != 0 ? errno : EINVAL));
  sinks_[static_cast<Port>(port)] = &sink;
  return static_cast<Port>(port);
}

void XenEventChannel::unbind(Port port) {
  sinks_.erase(port);
  xenevtchn_unbind(handle_.get(), port);
}

void XenEventChannel::notify(Port port) { xenevtchn_notify(handle_.get(), port); }

void XenEventChannel::unmask(Port port) { xenevtchn_unmask(handle_.get(), port); }

void XenEventChannel::poll() {
  io_uring_sqe& sqe = loop_.next_sqe();
  io_uring_prep_poll_add(&sqe, xenevtchn_fd(handle_.get()), POLLIN);
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(this));
}

void XenEventChannel::completed(int) noexcept {
  for (int i = 0; i < kMaxPortsPerTurn; ++i) {
    const xenevtchn_port_or_error_t pending = xenevtchn_pending(handle_.get());
    if (pending < 0) break;
    const auto sink = sinks_.find(static_cast<Port>(pending));
    if (sink != sinks_.end()) sink->second->event();
  }
  poll();
}

}  // namespace tapring
