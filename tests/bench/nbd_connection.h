// SPDX-License-Identifier: MIT
// The client's end of one NBD connection, with as little work a request as that can be: what was
// read stays in the buffer it was received in, and nobody looks at it.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ring/unique_fd.h"
#include "tests/bench/demand.h"

namespace tapring::bench {

/// For one thread.
class NbdConnection {
 public:
  /// Negotiates: the default export of a server of the fixed newstyle. Throws std::system_error or
  /// std::runtime_error.
  NbdConnection(UniqueFd socket, const Workload& workload);

  uint64_t size_bytes() const noexcept { return size_bytes_; }
  int fd() const noexcept { return socket_.get(); }

  /// Sent by the next send().
  void put(const Demand::Request& request);

  /// Sends what the socket takes. Throws std::system_error.
  void send();

  /// Whether something waits until the socket takes more.
  bool is_sending() const noexcept { return sent_ < outgoing_.size(); }

  /// Takes what has come. Throws std::system_error, and std::runtime_error for what NBD does not
  /// allow.
  void receive(Demand& demand);

  /// Tells the server, of which nothing is in flight, and closes the socket.
  void end();

 private:
  struct __attribute__((packed)) Request {
    uint32_t magic = 0;
    uint16_t flags = 0;
    uint16_t type = 0;
    uint64_t handle = 0;
    uint64_t offset = 0;
    uint32_t length = 0;
  };
  struct __attribute__((packed)) Reply {
    uint32_t magic = 0;
    uint32_t error = 0;
    uint64_t handle = 0;
  };
  static_assert(sizeof(Request) == 28 && sizeof(Reply) == 16);

  struct Slot {
    Request request;
    bool in_flight = false;
  };

  void negotiate();
  void parse(std::span<const std::byte> received, Demand& demand, Demand::Clock::time_point now);
  void take_reply(Demand& demand, Demand::Clock::time_point now);
  void answer(uint64_t slot, bool okay, Demand& demand, Demand::Clock::time_point now);

  UniqueFd socket_;
  uint32_t block_bytes_;
  uint64_t size_bytes_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::byte> content_;  ///< of every write
  std::vector<std::byte> received_;
  std::vector<iovec> outgoing_;
  std::size_t sent_ = 0;  ///< of outgoing_, whole ones
  std::array<std::byte, sizeof(Reply)> reply_{};
  std::size_t reply_bytes_ = 0;  ///< of reply_, so far
  uint64_t read_slot_ = 0;       ///< whose data comes
  std::size_t read_bytes_ = 0;   ///< of it, still to come
};

}  // namespace tapring::bench
