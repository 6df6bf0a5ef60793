// SPDX-License-Identifier: MIT
// The event channels of production: libxenevtchn over /dev/xen/evtchn, polled by the loop.
#pragma once

extern "C" {  // the header does not say so itself
#include <xenevtchn.h>
}

#include <memory>
#include <unordered_map>

#include "ring/event_channel.h"
#include "ring/uring_loop.h"

namespace tapring {

class XenEventChannel final : public EventChannel, private Completion {
 public:
  /// Throws std::system_error when /dev/xen/evtchn cannot be opened.
  explicit XenEventChannel(UringLoop& loop);

  Result<Port> bind(DomainId domain, Port remote, EventSink& sink) override;
  void unbind(Port port) override;
  void notify(Port port) override;
  void unmask(Port port) override;

 private:
  struct Close {
    void operator()(xenevtchn_handle* handle) const noexcept { xenevtchn_close(handle); }
  };

  void poll();
  void completed(int result) noexcept override;

  UringLoop& loop_;
  std::unique_ptr<xenevtchn_handle, Close> handle_;
  std::unordered_map<Port, EventSink*> sinks_;
};

}  // namespace tapring
