// SPDX-License-Identifier: MIT
// The event channels of all domains, as the hypervisor keeps them.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "ring/event_channel.h"
#include "tests/sim/world.h"

namespace tapring::sim {

/// One end of an event channel.
struct EventEnd {
  DomainId domain;
  Port port;
  auto operator<=>(const EventEnd&) const = default;
};

/// An event is a bit of an end: set while it is set it changes nothing; it waits while the end is
/// masked. Sent to an unbound peer it is lost.
class SimEventTable {
 public:
  /// Called some time after an event came, while the end is open and not masked.
  using Handler = std::function<void()>;

  explicit SimEventTable(SimWorld& world) noexcept : world_(world) {}
  SimEventTable(const SimEventTable&) = delete;
  SimEventTable& operator=(const SimEventTable&) = delete;

  /// Ports of other domains are not there, not even to be refused.
  void add_domain(DomainId domain) { next_port_.try_emplace(domain, 1); }

  /// A port of `owner` that `remote` may bind to.
  EventEnd allocate_unbound(DomainId owner, DomainId remote, Handler handler);

  /// Connects a new port of `owner` to a peer that waits for it, and raises one event there. ESRCH
  /// if the domain is not there, EINVAL if the port is not for us to bind.
  Result<EventEnd> bind(DomainId owner, EventEnd peer, Handler handler);

  /// The peer waits to be bound again.
  void close(EventEnd end);

  /// All ends of a domain that is gone.
  void close_all(DomainId domain);

  void send(EventEnd from);

  /// Sets the event of this very end.
  void raise(EventEnd end);
  void mask(EventEnd end);
  void unmask(EventEnd end);

  std::size_t open(DomainId domain) const noexcept;
  bool is_bound(EventEnd end) const noexcept;

 private:
  struct Channel {
    uint64_t number;  ///< tells an end from a later one of the same port
    DomainId remote;
    std::optional<EventEnd> peer{};
    Handler handler;
    bool pending = false;
    bool masked = false;
    bool on_its_way = false;
  };

  EventEnd add(DomainId owner, DomainId remote, Handler handler);
  void deliver_later(EventEnd end, Channel& channel);
  void deliver(EventEnd end, uint64_t number);

  SimWorld& world_;
  std::map<EventEnd, Channel> channels_;
  std::map<DomainId, Port> next_port_;
  uint64_t channels_made_ = 0;
};

}  // namespace tapring::sim
