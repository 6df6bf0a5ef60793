// SPDX-License-Identifier: MIT
#include "tests/bench/backend.h"

#include <stdexcept>
#include <utility>

namespace tapring::bench {
namespace {

/// What each worker has of the disk; the image of one that has nothing is empty.
std::vector<BackendDisk> deal_out(BackendDisk disk, uint32_t workers) {
  std::vector<BackendDisk> parts(workers);
  for (const QueueSetup& queue : disk.rings.queues) {
    BackendDisk& part = parts[queue.event_channel % workers];
    if (!part.image) {
      part.image = disk.image->share();
      if (!part.image) throw std::runtime_error("the image can be served by one worker only");
      part.rings = {disk.rings.abi, disk.rings.protocol, {}};
    }
    part.rings.queues.push_back(queue);
  }
  return parts;
}

}  // namespace

Backend::Backend(GuestMemory& memory, Doorbell& guest, std::vector<BackendDisk> disks,
                 PollWindow::Duration busy_poll, uint32_t workers)
    : memory_(memory) {
  std::vector<std::vector<BackendDisk>> disks_of(workers);
  for (BackendDisk& disk : disks) {
    if (workers == 1) {
      disks_of.front().push_back(std::move(disk));
      continue;
    }
    std::vector<BackendDisk> parts = deal_out(std::move(disk), workers);
    for (uint32_t worker = 0; worker < workers; ++worker) {
      if (parts[worker].image) disks_of[worker].push_back(std::move(parts[worker]));
    }
  }
  for (auto& own : disks_of) {
    threads_.push_back(std::make_unique<BackendThread>(memory, guest, std::move(own), busy_poll));
  }
}

uint64_t Backend::system_calls() const noexcept {
  uint64_t calls = memory_.calls();
  for (const auto& thread : threads_) calls += thread->system_calls();
  return calls;
}

}  // namespace tapring::bench
