// SPDX-License-Identifier: MIT
// Messages over a socket of packets (unix(7), SOCK_SEQPACKET), with the descriptors that go along
// (SCM_RIGHTS). A message that is longer than a packet takes several.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/message.h"
#include "ring/unique_fd.h"

namespace tapring {

class MessageSocket {
 public:
  /// Of a packet. Linux takes as much as net.core.wmem_default, 208 KiB.
  static constexpr std::size_t kPacketBytes = 32 << 10;

  /// Of a message that is received: the report of a guest's disks fits, were they 2,000.
  static constexpr std::size_t kMaxBytes = 4 << 20;

  /// Of a message. Linux takes 253.
  static constexpr std::size_t kMaxDescriptors = 64;

  explicit MessageSocket(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const noexcept { return socket_.get(); }

  /// Sends all of it, and waits for room. Throws std::system_error: EPIPE if the other end is gone.
  void send(Message message);

  /// Sends it, or as much as there is room for: then flush() is to be called when there is more.
  /// Throws likewise.
  void send_some(Message message);

  /// True once all that send_some() was given is sent.
  bool flush();

  /// The packets that wait for a flush().
  std::size_t waiting() const noexcept { return to_send_.size(); }

  /// Waits for a message. nullopt if the other end is gone, or says what is no message.
  std::optional<Message> receive();

  /// Does not wait: nullopt also if there is nothing yet, and then is_ended() tells which.
  std::optional<Message> receive_some();
  bool is_ended() const noexcept { return ended_; }

 private:
  struct Packet {
    std::string bytes;
    std::vector<UniqueFd> descriptors;
  };

  static std::vector<Packet> packets_of(Message message);
  bool send_packet(const Packet& packet, int flags);
  std::optional<Message> receive_with(int flags);

  UniqueFd socket_;
  std::deque<Packet> to_send_;
  std::string received_;  ///< of a message whose last packet is to come
  std::vector<UniqueFd> received_descriptors_;
  bool ended_ = false;
};

}  // namespace tapring
