// SPDX-License-Identifier: MIT
// What a guest's programs live in: xenstore, event channels, signals, and one thread that waits for
// all of them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "daemon/xenstore/xen_xenstore.h"
#include "tests/pretend/events.h"
#include "tests/pretend/machine.h"

namespace tapring::pretend {

class GuestWorld {
 public:
  /// Throws std::system_error.
  GuestWorld(Machine& machine, DomainId domain);
  GuestWorld(const GuestWorld&) = delete;
  GuestWorld& operator=(const GuestWorld&) = delete;

  DomainId domain() const noexcept { return domain_; }
  Machine& machine() noexcept { return machine_; }
  Xenstore& store() noexcept { return store_; }
  Events& events() noexcept { return events_; }
  boost::asio::io_context& context() noexcept { return context_; }

  /// 0 for a key that is not there or holds no number.
  uint32_t read_number(const std::string& path);

  /// Runs whatever comes until `done`. Throws std::runtime_error if that takes too long.
  void wait_for(const std::string& what, const std::function<bool()>& done,
                std::chrono::seconds limit = std::chrono::seconds(30));

  /// SIGTERM or SIGINT came, since the last forget_stop().
  bool told_to_stop() const noexcept { return told_to_stop_; }
  void forget_stop() noexcept { told_to_stop_ = false; }

  /// Called for the events of the port, which is unmasked afterwards.
  void on_event(Port port, std::function<void()> work) { sinks_[port] = std::move(work); }
  void forget(Port port) { sinks_.erase(port); }

 private:
  void wait_for_signals();
  void wait_for_events();
  void handle_events();

  Machine& machine_;
  DomainId domain_;
  boost::asio::io_context context_;
  boost::asio::signal_set signals_;
  XenXenstore store_;
  Events events_;
  boost::asio::posix::stream_descriptor event_stream_;
  std::map<Port, std::function<void()>> sinks_;
  bool told_to_stop_ = false;
};

}  // namespace tapring::pretend
