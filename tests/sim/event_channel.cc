// SPDX-License-Identifier: MIT
#include "tests/sim/event_channel.h"

#include <cassert>
#include <cerrno>
#include <memory>

namespace tapring::sim {

SimEventChannel::~SimEventChannel() {
  die();
}

void SimEventChannel::die() {
  dead_ = true;
  for (const auto& [port, sink] : sinks_) events_.close({own_domain_, port});
}

Result<Port> SimEventChannel::bind(DomainId domain, Port remote, EventSink& sink) {
  if (dead_) return std::unexpected(system_error_code(EINVAL));
  // The handler is called later than this function returns, so the port is known by then.
  const auto port = std::make_shared<Port>(0);
  const Result<EventEnd> end =
      events_.bind(own_domain_, {domain, remote}, [this, port] { arrived(*port); });
  if (!end) return std::unexpected(end.error());
  *port = end->port;
  sinks_[*port] = &sink;
  return *port;
}

void SimEventChannel::unbind(Port port) {
  assert(sinks_.contains(port));
  sinks_.erase(port);
  events_.close({own_domain_, port});
}

void SimEventChannel::notify(Port port) {
  assert(sinks_.contains(port));
  events_.send({own_domain_, port});
}

void SimEventChannel::unmask(Port port) {
  assert(sinks_.contains(port));
  if (!dead_) events_.unmask({own_domain_, port});
}

void SimEventChannel::arrived(Port port) {
  events_.mask({own_domain_, port});
  loop_.complete([this, port] {
    const auto sink = sinks_.find(port);
    if (sink != sinks_.end()) sink->second->event();
  });
}

}  // namespace tapring::sim
