// SPDX-License-Identifier: MIT
#include "tests/bench/doorbell.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace tapring::bench {

Doorbell::Doorbell() : event_(::eventfd(0, EFD_CLOEXEC)) {
  if (!event_) throw std::system_error(errno, std::system_category(), "eventfd");
}

void Doorbell::ring(Port port) noexcept {
  rung_[port / 64].fetch_or(uint64_t{1} << port % 64);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

void Doorbell::wait_for_ring() const noexcept {
  uint64_t count;
  [[maybe_unused]] const ssize_t read = ::read(event_.get(), &count, sizeof count);
}

}  // namespace tapring::bench
