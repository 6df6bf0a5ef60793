// SPDX-License-Identifier: MIT
// How a guest and we wake each other: an interface. XenEventChannel is the real one.
#pragma once

#include <cstdint>
#include <utility>

#include "ring/error.h"
#include "ring/grants.h"

namespace tapring {

/// Our end of an event channel; the frontend's end is a number in xenstore.
using Port = uint32_t;

/// Receives the events of one port.
class EventSink {
 public:
  /// The other end notified. The port is masked until unmask(), so that a guest cannot flood us.
  virtual void event() = 0;

 protected:
  ~EventSink() = default;
};

/// The event channels of one worker, on its loop.
class EventChannel {
 public:
  virtual ~EventChannel() = default;

  /// Connects to `remote` of `domain`, and raises one event. `sink` outlives the binding.
  virtual Result<Port> bind(DomainId domain, Port remote, EventSink& sink) = 0;

  /// The sink gets no event afterwards; the other end becomes unbound.
  virtual void unbind(Port port) = 0;

  virtual void notify(Port port) = 0;

  /// Lets the next event of `port` through. To be called after the work that it told of was taken.
  virtual void unmask(Port port) = 0;
};

/// Keeps a port bound for as long as it lives.
class BoundPort {
 public:
  BoundPort() = default;
  BoundPort(EventChannel& events, Port port) noexcept : events_(&events), port_(port) {}
  BoundPort(BoundPort&& other) noexcept
      : events_(std::exchange(other.events_, nullptr)), port_(other.port_) {}
  BoundPort& operator=(BoundPort&& other) noexcept {
    std::swap(events_, other.events_);
    std::swap(port_, other.port_);
    return *this;
  }
  ~BoundPort() {
    if (events_ != nullptr) events_->unbind(port_);
  }

  void notify() const { events_->notify(port_); }
  void unmask() const { events_->unmask(port_); }

 private:
  EventChannel* events_ = nullptr;
  Port port_ = 0;
};

}  // namespace tapring
