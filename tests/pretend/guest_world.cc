// SPDX-License-Identifier: MIT
#include "tests/pretend/guest_world.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <span>
#include <stdexcept>

#include "daemon/host/decimal.h"
#include "daemon/xenstore/vbd_name.h"

namespace tapring::pretend {

GuestWorld::GuestWorld(Machine& machine, DomainId domain)
    : machine_(machine),
      domain_(domain),
      signals_(context_, SIGTERM, SIGINT),
      store_(context_),
      events_(machine, domain),
      event_stream_(context_, ::dup(events_.fd())) {
  wait_for_signals();
  ::fcntl(events_.fd(), F_SETFL, ::fcntl(events_.fd(), F_GETFL) | O_NONBLOCK);
  store_.deliver_to([](const WatchEvent&) {});  // wait_for() looks again, that is all
  wait_for_events();
}

uint32_t GuestWorld::read_number(const std::string& path) {
  return parse_decimal(store_.read(path).value_or("")).value_or(0);
}

void GuestWorld::wait_for(const std::string& what, const std::function<bool()>& done,
                          std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (context_.run_one_until(deadline) == 0) {
      throw std::runtime_error("waited " + std::to_string(limit.count()) + " s for " + what);
    }
  }
}

void GuestWorld::wait_for_signals() {
  signals_.async_wait([this](const boost::system::error_code& error, int) {
    if (error) return;
    told_to_stop_ = true;
    wait_for_signals();
  });
}

void GuestWorld::wait_for_events() {
  event_stream_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                             if (error) return;
                             handle_events();
                             wait_for_events();
                           });
}

void GuestWorld::handle_events() {
  std::array<Port, 64> ports{};
  const auto count = events_.take(ports).value_or(0);
  for (const Port port : std::span(ports).first(count)) {
    const auto sink = sinks_.find(port);
    if (sink != sinks_.end()) sink->second();
    events_.unmask(port);
  }
}

}  // namespace tapring::pretend
