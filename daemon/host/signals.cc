// SPDX-License-Identifier: MIT
#include "daemon/host/signals.h"

#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <system_error>
#include <utility>

namespace tapring {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  return set;
}

int open_descriptor() {
  const sigset_t set = set_of({SIGTERM, SIGINT, SIGHUP});
  const int fd = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "signalfd");
  return fd;
}

}  // namespace

void block_signals() {
  // SIGPIPE: whoever reads standard error, or the other end of a socket, may be gone.
  const sigset_t set = set_of({SIGTERM, SIGINT, SIGHUP, SIGPIPE});
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void wait_for_end_signal(std::chrono::seconds limit) {
  const sigset_t set = set_of({SIGTERM, SIGINT});
  const timespec time{.tv_sec = limit.count(), .tv_nsec = 0};
  ::sigtimedwait(&set, nullptr, &time);
}

Signals::Signals(boost::asio::io_context& control, std::function<void(int)> told)
    : descriptor_(control, open_descriptor()), told_(std::move(told)) {
  read_next();
}

void Signals::read_next() {
  descriptor_.async_read_some(
      boost::asio::buffer(&info_, sizeof info_),
      [this](const boost::system::error_code& error, std::size_t length) {
        if (error) return;
        if (length == sizeof info_) told_(static_cast<int>(info_.ssi_signo));
        read_next();
      });
}

}  // namespace tapring
