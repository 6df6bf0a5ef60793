// SPDX-License-Identifier: MIT
#include "tests/bench/nbd_connection.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace tapring::bench {
namespace {

constexpr uint64_t kInitialMagic = 0x4e42444d41474943;  // NBDMAGIC
constexpr uint64_t kOptionMagic = 0x49484156454f5054;   // IHAVEOPT
constexpr uint32_t kRequestMagic = 0x25609513;
constexpr uint32_t kReplyMagic = 0x67446698;
constexpr uint16_t kFixedNewstyle = 1;
constexpr uint16_t kNoZeroes = 2;
constexpr uint32_t kExportName = 1;
constexpr uint16_t kRead = 0;
constexpr uint16_t kWrite = 1;
constexpr uint16_t kDisconnect = 2;
constexpr std::size_t kReceivedAtOnce = std::size_t{1} << 18;
constexpr std::size_t kMostVectors = 1024;  // of one system call
constexpr timeval kPatience{10, 0};         // of the negotiation

struct __attribute__((packed)) Greeting {
  uint64_t magic = 0;
  uint64_t option_magic = 0;
  uint16_t flags = 0;
};

struct __attribute__((packed)) Choice {
  uint32_t flags = 0;
  uint64_t magic = 0;
  uint32_t option = 0;
  uint32_t length = 0;
};

struct __attribute__((packed)) Export {
  uint64_t size_bytes = 0;
  uint16_t flags = 0;
};

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

template <typename T>
T receive_whole(int socket) {
  T message;
  const ssize_t received = ::recv(socket, &message, sizeof message, MSG_WAITALL);
  if (received < 0) fail("NBD negotiation");
  if (received != sizeof message) throw std::runtime_error("the NBD server refuses");
  return message;
}

}  // namespace

NbdConnection::NbdConnection(UniqueFd socket, const Workload& workload)
    : socket_(std::move(socket)),
      block_bytes_(workload.block_bytes),
      slots_(workload.depth),
      content_(workload.block_bytes, kContent),
      received_(kReceivedAtOnce) {
  negotiate();
  if (::fcntl(socket_.get(), F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
}

void NbdConnection::negotiate() {
  if (::setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0) {
    fail("setsockopt");
  }
  const auto greeting = receive_whole<Greeting>(fd());
  const uint16_t wanted = kFixedNewstyle | kNoZeroes;
  if (be64toh(greeting.magic) != kInitialMagic || be64toh(greeting.option_magic) != kOptionMagic ||
      (be16toh(greeting.flags) & wanted) != wanted) {
    throw std::runtime_error("no NBD server of the fixed newstyle");
  }
  const Choice choice{htobe32(wanted), htobe64(kOptionMagic), htobe32(kExportName), 0};
  if (::send(fd(), &choice, sizeof choice, MSG_NOSIGNAL) != sizeof choice) fail("NBD negotiation");
  size_bytes_ = be64toh(receive_whole<Export>(fd()).size_bytes);
}

void NbdConnection::put(const Demand::Request& request) {
  Slot& slot = slots_[request.slot];
  slot.in_flight = true;
  slot.request = {htobe32(kRequestMagic),
                  0,
                  htobe16(request.write ? kWrite : kRead),
                  htobe64(request.slot),
                  htobe64(request.block * block_bytes_),
                  htobe32(block_bytes_)};
  outgoing_.push_back({&slot.request, sizeof slot.request});
  if (request.write) outgoing_.push_back({content_.data(), content_.size()});
}

void NbdConnection::send() {
  while (is_sending()) {
    msghdr message{};
    message.msg_iov = &outgoing_[sent_];
    message.msg_iovlen = std::min(outgoing_.size() - sent_, kMostVectors);
    const ssize_t result = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
    if (result < 0 && errno == EAGAIN) return;
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) fail("send to the NBD server");
    auto bytes = static_cast<std::size_t>(result);
    while (is_sending() && bytes >= outgoing_[sent_].iov_len) bytes -= outgoing_[sent_++].iov_len;
    if (bytes > 0) {
      iovec& part = outgoing_[sent_];
      part = {static_cast<std::byte*>(part.iov_base) + bytes, part.iov_len - bytes};
    }
  }
  outgoing_.clear();
  sent_ = 0;
}

void NbdConnection::receive(Demand& demand) {
  const ssize_t result = ::recv(fd(), received_.data(), received_.size(), 0);
  if (result < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (result < 0) fail("receive from the NBD server");
  if (result == 0) throw std::runtime_error("the NBD server has closed the connection");
  const std::span<const std::byte> received(received_);
  parse(received.first(static_cast<std::size_t>(result)), demand, Demand::Clock::now());
}

void NbdConnection::parse(std::span<const std::byte> received, Demand& demand,
                          Demand::Clock::time_point now) {
  while (!received.empty()) {
    if (read_bytes_ > 0) {
      const std::size_t taken = std::min(read_bytes_, received.size());
      received = received.subspan(taken);
      read_bytes_ -= taken;
      if (read_bytes_ == 0) answer(read_slot_, true, demand, now);
      continue;
    }
    const std::size_t taken = std::min(reply_.size() - reply_bytes_, received.size());
    std::memcpy(reply_.data() + reply_bytes_, received.data(), taken);
    received = received.subspan(taken);
    reply_bytes_ += taken;
    if (reply_bytes_ == reply_.size()) take_reply(demand, now);
  }
}

void NbdConnection::take_reply(Demand& demand, Demand::Clock::time_point now) {
  Reply reply;
  std::memcpy(&reply, reply_.data(), sizeof reply);
  reply_bytes_ = 0;
  const uint64_t slot = be64toh(reply.handle);
  if (be32toh(reply.magic) != kReplyMagic || slot >= slots_.size() || !slots_[slot].in_flight) {
    throw std::runtime_error("a reply of the NBD server answers nothing");
  }
  const bool okay = reply.error == 0;
  if (okay && be16toh(slots_[slot].request.type) == kRead) {
    read_slot_ = slot;
    read_bytes_ = block_bytes_;
  } else {
    answer(slot, okay, demand, now);
  }
}

void NbdConnection::answer(uint64_t slot, bool okay, Demand& demand,
                           Demand::Clock::time_point now) {
  slots_[slot].in_flight = false;
  demand.answer(slot, okay, now);
}

void NbdConnection::end() {
  Request request;
  request.magic = htobe32(kRequestMagic);
  request.type = htobe16(kDisconnect);
  if (::send(fd(), &request, sizeof request, MSG_NOSIGNAL) != sizeof request) {
    fail("send to the NBD server");
  }
  socket_ = {};
}

}  // namespace tapring::bench
