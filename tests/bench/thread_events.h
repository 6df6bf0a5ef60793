// SPDX-License-Identifier: MIT
// The event channels of a backend whose guest is a thread. What is a system call in production is
// one here: to read which ports are pending, to unmask a port, to notify.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "ring/event_channel.h"
#include "ring/uring_loop.h"
#include "tests/bench/doorbell.h"

namespace tapring::bench {

/// A port has the same number on both sides.
class ThreadEvents final : public EventChannel, private Completion {
 public:
  /// `guest`: rung by notify().
  ThreadEvents(UringLoop& loop, Doorbell& guest);

  Result<Port> bind(DomainId domain, Port remote, EventSink& sink) override;
  void unbind(Port port) override;
  void notify(Port port) override;
  void unmask(Port port) override;

  /// The guest notifies. From its thread.
  void send(Port port) noexcept;

  /// Made by the backend since the start.
  uint64_t system_calls() const noexcept { return system_calls_.load(std::memory_order_relaxed); }

 private:
  enum State : uint8_t { unmasked, masked, pending };  // pending: masked, and sent since

  void completed(int result) noexcept override;
  void poll();
  void count() noexcept { system_calls_.fetch_add(1, std::memory_order_relaxed); }

  UringLoop& loop_;
  Doorbell& guest_;
  Doorbell pending_;
  Doorbell unmasked_;  ///< for the cost of its system call
  std::array<std::atomic<State>, Doorbell::kMaxPorts> states_{};
  std::array<EventSink*, Doorbell::kMaxPorts> sinks_{};
  std::atomic<uint64_t> system_calls_ = 0;
};

}  // namespace tapring::bench
