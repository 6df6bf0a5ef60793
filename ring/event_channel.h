// SPDX-License-Identifier: MIT
// How a guest and we wake each other: the port. xen_event_channel is the real one.
#pragma once

#include <cstdint>

#include "ring/error.h"
#include "ring/grants.h"

namespace tapring {

/// Our end of an event channel; the frontend's end is a number in xenstore.
using Port = uint32_t;

/// Told of the events of one port.
class EventSink {
 public:
  /// The other end notified; masked until unmask(), so that a guest cannot flood us.
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

  /// No event is delivered afterwards; the other end becomes unbound.
  virtual void unbind(Port port) = 0;

  virtual void notify(Port port) = 0;

  /// Lets the next event of `port` through. After its work was taken, never before.
  virtual void unmask(Port port) = 0;
};

}  // namespace tapring
