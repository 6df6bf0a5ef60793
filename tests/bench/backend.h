// SPDX-License-Identifier: MIT
// The workers of a benchmark: the queues of each disk are dealt out over them, as tapringd does.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tests/bench/backend_thread.h"

namespace tapring::bench {

class Backend {
 public:
  /// Returns when the disks are connected. Port N is served by worker N modulo `workers`. Throws
  /// what setting it up threw, and std::runtime_error for an image that takes one worker only.
  Backend(GuestMemory& memory, Doorbell& guest, std::vector<BackendDisk> disks,
          PollWindow::Duration busy_poll, uint32_t workers);

  /// The guest notifies. From its thread.
  void send(Port port) noexcept { threads_[port % threads_.size()]->send(port); }

  /// Made since the start: by the loops, for events and for copies.
  uint64_t system_calls() const noexcept;

 private:
  const GuestMemory& memory_;
  std::vector<std::unique_ptr<BackendThread>> threads_;
};

}  // namespace tapring::bench
