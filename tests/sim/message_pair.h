// SPDX-License-Identifier: MIT
// A simulated pair of sockets between the control process and a worker process. Every message
// crosses as the bytes of the real one, in order, and some time later; and is lost if one of them
// dies.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/host/message.h"
#include "tests/sim/message_deaths.h"
#include "tests/sim/world.h"

namespace tapring::sim {

class SimMessagePair : public std::enable_shared_from_this<SimMessagePair> {
 public:
  enum class Side : uint8_t { control, worker };

  /// What one of the processes does when something comes.
  struct End {
    std::function<void(Message)> take;
    std::function<void()> ended;  ///< the other end is gone, once all that comes has come
    std::function<void()> die;    ///< the process is to be killed
  };

  SimMessagePair(SimWorld& world, SimMessageDeaths& deaths) noexcept
      : world_(world), deaths_(deaths) {}
  SimMessagePair(const SimMessagePair&) = delete;
  SimMessagePair& operator=(const SimMessagePair&) = delete;

  /// The process at this end hears what has come from now on.
  void attach(Side side, End end);

  /// Throws std::system_error if the other end is gone, or if the sender dies now.
  void send(Side from, const std::string& bytes, std::vector<UniqueFd> descriptors);
  void send(Side from, Message message) {
    const std::string bytes = encode(message);
    send(from, bytes, std::move(message.descriptors));
  }

  /// Without waiting for it: the next that is under way to that end. False if nothing is.
  bool deliver(Side to);

  /// What was under way to this end is lost, and some of what is under way to the other.
  void close(Side side);

 private:
  struct Packet {
    std::string bytes;
    std::vector<UniqueFd> descriptors;
    bool is_deadly = false;
    bool is_end = false;
  };
  struct Direction {
    End end;
    bool attached = false;
    bool closed = false;
    std::deque<Packet> under_way;
    bool scheduled = false;
  };

  static Side other(Side side) noexcept {
    return side == Side::control ? Side::worker : Side::control;
  }
  Direction& to(Side side) noexcept { return to_[static_cast<std::size_t>(side)]; }
  void schedule(Side side);

  SimWorld& world_;
  SimMessageDeaths& deaths_;
  std::array<Direction, 2> to_;
};

}  // namespace tapring::sim
