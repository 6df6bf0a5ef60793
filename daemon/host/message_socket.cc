// SPDX-License-Identifier: MIT
#include "daemon/host/message_socket.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <system_error>
#include <utility>

namespace tapring {
namespace {

// The first byte of a packet.
constexpr char kMore = 'm';
constexpr char kLast = 'l';

using ControlBytes = std::array<char, CMSG_SPACE(MessageSocket::kMaxDescriptors * sizeof(int))>;

/// Linux makes descriptors of them all, so each has to be closed by somebody.
std::vector<UniqueFd> descriptors_of(msghdr& header) {
  std::vector<UniqueFd> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

}  // namespace

std::vector<MessageSocket::Packet> MessageSocket::packets_of(Message message) {
  const std::string bytes = encode(message);
  std::vector<Packet> packets;
  std::size_t done = 0;
  do {
    const std::string part = bytes.substr(done, kPacketBytes);
    done += part.size();
    packets.push_back({(done < bytes.size() ? kMore : kLast) + part, {}});
  } while (done < bytes.size());
  packets.front().descriptors = std::move(message.descriptors);
  return packets;
}

/// False if there is no room for it, and `flags` say not to wait.
bool MessageSocket::send_packet(const Packet& packet, int flags) {
  iovec bytes{const_cast<char*>(packet.bytes.data()), packet.bytes.size()};
  alignas(cmsghdr) ControlBytes control{};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  if (!packet.descriptors.empty()) {
    if (packet.descriptors.size() > kMaxDescriptors) {
      throw std::system_error(E2BIG, std::system_category(), "a message's descriptors");
    }
    const std::size_t length = packet.descriptors.size() * sizeof(int);
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(length);
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(length);
    for (std::size_t i = 0; i < packet.descriptors.size(); ++i) {
      const int fd = packet.descriptors[i].get();
      std::memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  for (;;) {
    if (::sendmsg(fd(), &header, flags | MSG_NOSIGNAL) >= 0) return true;
    if (errno == EAGAIN) return false;
    if (errno != EINTR) {
      throw std::system_error(errno, std::system_category(), "sending to another tapringd process");
    }
  }
}

void MessageSocket::send(Message message) {
  for (const Packet& packet : packets_of(std::move(message))) send_packet(packet, 0);
}

void MessageSocket::send_some(Message message) {
  std::ranges::move(packets_of(std::move(message)), std::back_inserter(to_send_));
  flush();
}

bool MessageSocket::flush() {
  while (!to_send_.empty() && send_packet(to_send_.front(), MSG_DONTWAIT)) to_send_.pop_front();
  return to_send_.empty();
}

std::optional<Message> MessageSocket::receive() {
  return receive_with(0);
}

std::optional<Message> MessageSocket::receive_some() {
  return receive_with(MSG_DONTWAIT);
}

std::optional<Message> MessageSocket::receive_with(int flags) {
  std::array<char, 1 + kPacketBytes> buffer;
  for (;;) {
    iovec bytes{buffer.data(), buffer.size()};
    alignas(cmsghdr) ControlBytes control{};
    msghdr header{};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t length = ::recvmsg(fd(), &header, flags | MSG_CMSG_CLOEXEC);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return std::nullopt;
    std::ranges::move(descriptors_of(header), std::back_inserter(received_descriptors_));
    ended_ = length <= 0 || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
             received_.size() > kMaxBytes || received_descriptors_.size() > kMaxDescriptors;
    if (ended_) return std::nullopt;
    received_.append(buffer.data() + 1, static_cast<std::size_t>(length) - 1);
    if (buffer[0] == kMore) continue;
    std::optional<Message> message = decode(std::exchange(received_, {}));
    ended_ = !message;
    if (message) message->descriptors = std::exchange(received_descriptors_, {});
    return message;
  }
}

}  // namespace tapring
