// SPDX-License-Identifier: MIT
#include "tests/sim/message_pair.h"

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""us;
constexpr Latency kToDelivery{1us, 150us};
// Of a process that has ended, how often what it had sent is lost as well: with what it had not
// read, its socket resets the connection.
constexpr double kReset = 0.5;

[[noreturn]] void throw_gone() {
  throw std::system_error(EPIPE, std::system_category(), "the other end of a pair");
}

}  // namespace

void SimMessagePair::attach(Side side, End end) {
  to(side).end = std::move(end);
  to(side).attached = true;
  if (!to(side).under_way.empty()) schedule(side);
}

void SimMessagePair::send(Side from, const std::string& bytes,
                          std::vector<UniqueFd> descriptors) {
  Direction& direction = to(other(from));
  if (to(from).closed || direction.closed) throw_gone();
  const SimMessageDeaths::Victim victim = deaths_.next();
  if (victim == SimMessageDeaths::Victim::sender || victim == SimMessageDeaths::Victim::both) {
    const auto self = shared_from_this();
    const auto die = direction.end.die;
    to(from).end.die();
    if (victim == SimMessageDeaths::Victim::both && die) die();
    throw_gone();
  }
  const bool is_deadly = victim == SimMessageDeaths::Victim::receiver;
  direction.under_way.push_back({bytes, std::move(descriptors), is_deadly, false});
  schedule(other(from));
}

void SimMessagePair::schedule(Side side) {
  Direction& direction = to(side);
  if (!direction.attached || std::exchange(direction.scheduled, true)) return;
  world_.after(kToDelivery, [self = shared_from_this(), side] {
    self->to(side).scheduled = false;
    self->deliver(side);
    if (!self->to(side).under_way.empty()) self->schedule(side);
  });
}

bool SimMessagePair::deliver(Side side) {
  Direction& direction = to(side);
  if (!direction.attached || direction.closed || direction.under_way.empty()) return false;
  const auto self = shared_from_this();
  Packet packet = std::move(direction.under_way.front());
  direction.under_way.pop_front();
  const End end = direction.end;
  if (packet.is_end) {
    end.ended();
  } else if (packet.is_deadly) {
    end.die();
  } else {
    std::optional<Message> message = decode(packet.bytes);
    if (!message) throw std::runtime_error("a message that cannot be read");
    message->descriptors = std::move(packet.descriptors);
    end.take(*std::move(message));
  }
  return true;
}

void SimMessagePair::close(Side side) {
  if (std::exchange(to(side).closed, true)) return;
  to(side).under_way.clear();
  Direction& direction = to(other(side));
  if (direction.closed) return;
  if (world_.random().chance(kReset)) direction.under_way.clear();
  direction.under_way.push_back({.bytes = {}, .descriptors = {}, .is_end = true});
  schedule(other(side));
}

}  // namespace tapring::sim
