// SPDX-License-Identifier: MIT
// Ports that one thread waits on and others ring: what event channels are between domains, here
// between threads.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "ring/event_channel.h"
#include "ring/unique_fd.h"

namespace tapring::bench {

class Doorbell {
 public:
  static constexpr std::size_t kMaxPorts = 1024;

  /// Throws std::system_error.
  Doorbell();

  /// From any thread; one system call.
  void ring(Port port) noexcept;

  /// Readable when it was rung.
  int fd() const noexcept { return event_.get(); }

  /// Waits until it was rung; one system call. Then calls `each` with the ports.
  template <typename Each>
  void wait(Each each) {
    wait_for_ring();
    for (std::size_t word = 0; word < rung_.size(); ++word) {
      uint64_t ports = rung_[word].load(std::memory_order_relaxed);
      if (ports != 0) ports = rung_[word].exchange(0);
      for (; ports != 0; ports &= ports - 1) {
        each(static_cast<Port>(word * 64 + static_cast<unsigned>(std::countr_zero(ports))));
      }
    }
  }

 private:
  void wait_for_ring() const noexcept;

  UniqueFd event_;
  std::array<std::atomic<uint64_t>, kMaxPorts / 64> rung_{};
};

}  // namespace tapring::bench
