// SPDX-License-Identifier: MIT
#include "tests/bench/guest_thread.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

namespace tapring::bench {

GuestThread::GuestThread(std::vector<std::unique_ptr<Guest>>& guests, std::size_t measured,
                         Doorbell& bell, std::function<void(Port)> send)
    : guests_(guests), measured_(measured), bell_(bell), send_(std::move(send)), thread_([this] {
        run();
      }) {}

std::chrono::nanoseconds GuestThread::processor_time() const {
  clockid_t clock;
  timespec time{};
  const int error =
      ::pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock);
  if (error != 0 || ::clock_gettime(clock, &time) != 0) {
    throw std::system_error(error != 0 ? error : errno, std::system_category(), "thread's clock");
  }
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void GuestThread::stop() {
  stopping_ = true;
  bell_.ring(0);
  thread_.join();
}

void GuestThread::run() {
  for (Port port = 0; port < guests_.size(); ++port) turn(port);
  bool measuring = false;
  bool stopping = false;
  while (!stopping || any_in_flight()) {
    bell_.wait([this](Port port) { turn(port); });
    if (!measuring && measuring_) {
      measuring = true;
      for (std::size_t i = 0; i < measured_; ++i) guests_[i]->measure();
    }
    if (!stopping && stopping_) {
      stopping = true;
      for (const auto& guest : guests_) guest->stop();
    }
  }
}

void GuestThread::turn(Port port) {
  Guest& guest = *guests_[port];
  const uint64_t before = guest.answered();
  guest.collect();
  (port < measured_ ? answered_ : answered_neighbours_)
      .fetch_add(guest.answered() - before, std::memory_order_relaxed);
  if (guest.issue()) send_(port);
}

bool GuestThread::any_in_flight() const {
  return std::ranges::any_of(guests_, [](const auto& guest) { return guest->in_flight() > 0; });
}

}  // namespace tapring::bench
