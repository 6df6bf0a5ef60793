// SPDX-License-Identifier: MIT
#include "tests/sim/event_table.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""us;
constexpr Latency kToDelivery{1us, 50us};

}  // namespace

EventEnd SimEventTable::allocate_unbound(DomainId owner, DomainId remote, Handler handler) {
  return add(owner, remote, std::move(handler));
}

Result<EventEnd> SimEventTable::bind(DomainId owner, EventEnd peer, Handler handler) {
  if (!next_port_.contains(peer.domain)) return std::unexpected(system_error_code(ESRCH));
  const auto found = channels_.find(peer);
  if (found == channels_.end() || found->second.peer || found->second.remote != owner) {
    return std::unexpected(system_error_code(EINVAL));
  }
  const EventEnd end = add(owner, peer.domain, std::move(handler));
  channels_.at(end).peer = peer;
  found->second.peer = end;
  raise(end);
  return end;
}

void SimEventTable::close(EventEnd end) {
  const auto found = channels_.find(end);
  if (found == channels_.end()) return;
  if (found->second.peer) channels_.at(*found->second.peer).peer.reset();
  channels_.erase(found);
}

void SimEventTable::close_all(DomainId domain) {
  std::vector<EventEnd> ends;
  for (const auto& [end, channel] : channels_) {
    if (end.domain == domain) ends.push_back(end);
  }
  for (const EventEnd& end : ends) close(end);
  next_port_.erase(domain);
}

void SimEventTable::send(EventEnd from) {
  const auto found = channels_.find(from);
  if (found != channels_.end() && found->second.peer) raise(*found->second.peer);
}

void SimEventTable::raise(EventEnd end) {
  const auto found = channels_.find(end);
  if (found == channels_.end()) return;
  found->second.pending = true;
  deliver_later(end, found->second);
}

void SimEventTable::mask(EventEnd end) { channels_.at(end).masked = true; }

void SimEventTable::unmask(EventEnd end) {
  Channel& channel = channels_.at(end);
  channel.masked = false;
  deliver_later(end, channel);
}

std::size_t SimEventTable::open(DomainId domain) const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      channels_, [domain](const auto& entry) { return entry.first.domain == domain; }));
}

bool SimEventTable::is_bound(EventEnd end) const noexcept {
  const auto found = channels_.find(end);
  return found != channels_.end() && found->second.peer.has_value();
}

EventEnd SimEventTable::add(DomainId owner, DomainId remote, Handler handler) {
  const EventEnd end{owner, next_port_.at(owner)++};
  channels_.emplace(
      end, Channel{.number = channels_made_++, .remote = remote, .handler = std::move(handler)});
  return end;
}

void SimEventTable::deliver_later(EventEnd end, Channel& channel) {
  if (!channel.pending || channel.masked || std::exchange(channel.on_its_way, true)) return;
  world_.after(kToDelivery, [this, end, number = channel.number] { deliver(end, number); });
}

void SimEventTable::deliver(EventEnd end, uint64_t number) {
  const auto found = channels_.find(end);
  if (found == channels_.end() || found->second.number != number) return;
  Channel& channel = found->second;
  channel.on_its_way = false;
  if (channel.masked || !std::exchange(channel.pending, false)) return;
  const Handler handler = channel.handler;  // it may close this very end
  handler();
}

}  // namespace tapring::sim
