// SPDX-License-Identifier: MIT
#include "tests/pretend/load.h"

#include <algorithm>

namespace tapring::pretend {
namespace {

constexpr double kSmall = 0.8;  ///< requests of at most a page
constexpr uint64_t kSmallSectors = 8;
constexpr double kOddlyCut = 0.25;  ///< requests whose data do not begin at a page
constexpr uint32_t kSectorsInPage = 8;
/// Of a request that cannot be indirect, wherever it begins in its page.
constexpr uint64_t kDirectSectors = (sim::kGuestSegments - 1) * kSectorsInPage;

}  // namespace

void Load::start(GuestDisk& disk) {
  disk_ = &disk;
  for (const auto& queue : disk.queues()) answered_all(*queue);
}

void Load::answered_all(GuestQueue& queue) {
  bool any = false;
  while (wants_more()) {
    const auto slot = queue.take_slot();
    if (!slot) break;
    ++issued_;
    const GuestIo io = next(queue.most_sectors());
    const bool has_content = io.operation == sim::kGuestWrite || io.operation == sim::kGuestBarrier;
    if (has_content) sim::DiskModel::fill(io.ticket, io.sector, queue.data(*slot, io));
    queue.put(*slot, io);
    any = true;
  }
  if (any) queue.push();
}

GuestIo Load::next(uint32_t most_sectors) {
  GuestIo io;
  io.operation = next_operation();
  if (io.operation == sim::kGuestFlush) return io;
  const uint64_t region = std::min(options_.region_sectors, disk_->sectors());
  uint64_t most = std::min<uint64_t>(most_sectors, region);
  if (random_.chance(kSmall)) most = std::min(most, kSmallSectors);
  if (io.operation == sim::kGuestBarrier) most = std::min(most, kDirectSectors);
  io.sectors = static_cast<uint32_t>(random_.between(1, most));
  io.sector = random_.below(region - io.sectors + 1);
  if (random_.chance(kOddlyCut)) io.head = static_cast<uint32_t>(random_.below(kSectorsInPage));
  switch (io.operation) {
    case sim::kGuestRead:
      io.ticket = model_.begin_read();
      break;
    case sim::kGuestDiscard:
      io.ticket = model_.begin_discard(io.sector, io.sectors);
      break;
    default:
      io.ticket = model_.begin_write(io.sector, io.sectors);
  }
  return io;
}

uint8_t Load::next_operation() {
  if (random_.chance(options_.flushes)) return sim::kGuestFlush;
  if (disk_->read_only()) return sim::kGuestRead;
  if (random_.chance(options_.barriers)) return sim::kGuestBarrier;
  if (disk_->discards() && random_.chance(options_.discards)) return sim::kGuestDiscard;
  return random_.chance(options_.writes) ? sim::kGuestWrite : sim::kGuestRead;
}

void Load::answered(GuestQueue& queue, uint32_t slot, int16_t status) {
  ++answered_;
  const GuestIo& io = queue.io(slot);
  const bool okay = status == sim::kGuestOkay;
  if (!okay) ++failed_;
  if (io.operation == sim::kGuestFlush) return;
  if (io.operation != sim::kGuestRead) {
    // Of what was discarded a part of a cluster keeps its data.
    const bool all_done = okay && io.operation != sim::kGuestDiscard;
    return model_.end_write(io.ticket, all_done);
  }
  if (!okay) return model_.forget_read(io.ticket);
  if (auto wrong = model_.end_read(io.ticket, io.sector, queue.data(slot, io))) {
    mismatches_.push_back(std::move(*wrong));
  }
}

}  // namespace tapring::pretend
