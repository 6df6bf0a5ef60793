// SPDX-License-Identifier: MIT
#include "daemon/host/reply_timeout.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <utility>

namespace tapring {

void ReplyTimeout::check(Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  if (!waiting_ || expired_) return;
  if (now - since_ >= kNotable && !std::exchange(told_, true)) {
    spdlog::warn(
        "xenstored has not answered for {} s: disks in service go on, but no disk comes or goes, "
        "and tapring gets no answer meanwhile",
        std::chrono::duration_cast<std::chrono::seconds>(now - since_).count());
  }
  if (socket_ < 0 || now - since_ < patience_) return;
  expired_ = true;
  ::shutdown(socket_, SHUT_RDWR);
}

bool ReplyTimeout::was_used() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(used_, waiting_);
}

void ReplyTimeout::begin(int socket) {
  const std::scoped_lock lock(mutex_);
  waiting_ = true;
  used_ = true;
  expired_ = false;
  told_ = false;
  socket_ = socket;
  since_ = Clock::now();
}

void ReplyTimeout::end() {
  const std::scoped_lock lock(mutex_);
  waiting_ = false;
}

bool ReplyTimeout::expired() {
  const std::scoped_lock lock(mutex_);
  return expired_;
}

}  // namespace tapring
