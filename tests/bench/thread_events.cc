// SPDX-License-Identifier: MIT
#include "tests/bench/thread_events.h"

#include <poll.h>

namespace tapring::bench {

ThreadEvents::ThreadEvents(UringLoop& loop, Doorbell& guest) : loop_(loop), guest_(guest) {
  poll();
}

Result<Port> ThreadEvents::bind(DomainId, Port remote, EventSink& sink) {
  sinks_[remote] = &sink;
  send(remote);
  return remote;
}

void ThreadEvents::unbind(Port port) {
  sinks_[port] = nullptr;
}

void ThreadEvents::notify(Port port) {
  count();
  guest_.ring(port);
}

void ThreadEvents::unmask(Port port) {
  count();
  unmasked_.ring(port);
  if (states_[port].exchange(unmasked) == pending) send(port);
}

void ThreadEvents::send(Port port) noexcept {
  State state = states_[port].load();
  while (!states_[port].compare_exchange_weak(state, state == unmasked ? masked : pending)) {
  }
  if (state == unmasked) pending_.ring(port);
}

void ThreadEvents::poll() {
  io_uring_sqe& sqe = loop_.next_sqe();
  io_uring_prep_poll_add(&sqe, pending_.fd(), POLLIN);
  io_uring_sqe_set_data(&sqe, static_cast<Completion*>(this));
}

void ThreadEvents::completed(int) noexcept {
  count();
  pending_.wait([this](Port port) {
    if (sinks_[port] != nullptr) sinks_[port]->event();
  });
  poll();
}

}  // namespace tapring::bench
