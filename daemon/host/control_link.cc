// SPDX-License-Identifier: MIT
#include "daemon/host/control_link.h"

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

namespace tapring {

/// Sending and receiving at once is what sockets are for.
class ControlLink::SocketWire final : public Wire {
 public:
  explicit SocketWire(std::shared_ptr<MessageSocket> socket) noexcept
      : socket_(std::move(socket)) {}
  void send(Message message) override { socket_->send(std::move(message)); }

 private:
  std::shared_ptr<MessageSocket> socket_;
};

ControlLink::ControlLink(UniqueFd listener, Executor& main, std::vector<std::string> hello)
    : ControlTalk(main), listener_(std::move(listener)), hello_(std::move(hello)) {}

void ControlLink::start() {
  connect();
  std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "control-link");
    for (;; connect()) {
      talk();
      lose();
    }
  }).detach();
}

/// Waits for a control process.
void ControlLink::connect() {
  socket_ = std::make_shared<MessageSocket>(accept_control());
  try {
    socket_->send({Message::Kind::tell, Verb::hello, 0, hello_});
  } catch (const std::system_error& error) {
    spdlog::debug("control process: {}", error.what());  // it has gone again, as talk() finds out
  }
  connected(std::make_shared<SocketWire>(socket_));
}

UniqueFd ControlLink::accept_control() const {
  for (;;) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ucred peer{};
    socklen_t length = sizeof peer;
    const bool is_ours = socket &&
                         ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
                         peer.uid == ::geteuid();
    if (is_ours) return socket;
    // Out of descriptors, perhaps: not at once again.
    if (!socket) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void ControlLink::talk() {
  while (auto message = socket_->receive()) take(*std::move(message));
}

void ControlLink::wait(std::unique_lock<std::mutex>& lock,
                       const std::function<bool()>& is_answered) {
  changed_.wait(lock, is_answered);
}

}  // namespace tapring
