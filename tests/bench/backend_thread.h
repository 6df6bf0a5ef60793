// SPDX-License-Identifier: MIT
// The data path of production on a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/datapath/disk.h"
#include "tests/bench/doorbell.h"
#include "tests/bench/guest.h"
#include "tests/bench/thread_events.h"

namespace tapring::bench {

/// A disk to connect: its image, and the rings a guest made for it.
struct BackendDisk {
  std::unique_ptr<OpenImage> image;
  RingSetup rings;
};

class BackendThread {
 public:
  /// Returns when the disks are connected. `memory` is the guest's, `guest` wakes it; both outlive
  /// this. Throws what setting it up threw.
  BackendThread(GuestMemory& memory, Doorbell& guest, std::vector<BackendDisk> disks,
                PollWindow::Duration busy_poll);
  BackendThread(const BackendThread&) = delete;
  BackendThread& operator=(const BackendThread&) = delete;

  /// Disconnects the disks, in which nothing may be in flight.
  ~BackendThread();

  /// The guest notifies. From its thread.
  void send(Port port) noexcept { events_->send(port); }

  /// Made since the start: by the loop and for events.
  uint64_t system_calls() const noexcept;

 private:
  void run(std::vector<BackendDisk> disks, std::promise<void> ready);

  GuestMemory& memory_;
  Doorbell& guest_;
  PollWindow::Duration busy_poll_;
  ThreadEvents* events_ = nullptr;
  UringLoop* loop_ = nullptr;
  std::atomic<uint64_t> turns_ = 0;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace tapring::bench
