// SPDX-License-Identifier: MIT
#pragma once

#include <map>

#include "ring/event_channel.h"
#include "tests/sim/loop.h"
#include "tests/sim/machine.h"

namespace tapring::sim {

/// The event channels of one worker of a domain; what it leaves bound goes with it.
class SimEventChannel final : public EventChannel {
 public:
  SimEventChannel(SimLoop& loop, SimMachine& machine, DomainId own_domain) noexcept
      : loop_(loop), events_(machine.events()), own_domain_(own_domain) {}
  SimEventChannel(const SimEventChannel&) = delete;
  SimEventChannel& operator=(const SimEventChannel&) = delete;
  ~SimEventChannel() override;

  Result<Port> bind(DomainId domain, Port remote, EventSink& sink) override;
  void unbind(Port port) override;
  void notify(Port port) override;
  void unmask(Port port) override;

  /// The process is killed: its ports are closed, and nothing it does from now on has an effect.
  void die();

  std::size_t bound() const noexcept { return sinks_.size(); }

 private:
  /// As the evtchn device does: masked, then readable for the process.
  void arrived(Port port);

  SimLoop& loop_;
  SimEventTable& events_;
  DomainId own_domain_;
  std::map<Port, EventSink*> sinks_;
  bool dead_ = false;
};

}  // namespace tapring::sim
