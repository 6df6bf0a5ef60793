// SPDX-License-Identifier: MIT
#include "tests/bench/guest.h"

#include <algorithm>
#include <cstring>

namespace tapring::bench {
namespace {

constexpr uint32_t kSectorsInPage = kXenPageBytes / kSectorBytes;

}  // namespace

std::size_t Guest::pages_for(const Workload& workload) {
  return workload.ring_pages() + std::size_t{workload.depth} * (1 + workload.segments());
}

Guest::Guest(GuestMemory& memory, GrantRef first_page, const Workload& workload,
             const Region& region, uint32_t seed)
    : memory_(memory),
      first_page_(first_page),
      workload_(workload),
      region_(region),
      ring_(memory.pages(first_page, workload.ring_pages()), Abi::x86_64),
      issued_at_(workload.depth),
      random_(seed) {
  for (uint64_t slot = 0; slot < workload_.depth; ++slot) {
    free_slots_.push_back(slot);
    write_list(slot);
  }
}

/// The segments of a slot never change, so neither does their list.
void Guest::write_list(uint64_t slot) {
  std::byte* list = memory_.pages(list_ref(slot), 1).data();
  uint32_t sectors = workload_.block_bytes / kSectorBytes;
  for (uint32_t i = 0; i < workload_.segments(); ++i) {
    const uint32_t here = std::min(sectors, kSectorsInPage);
    const sim::GuestSegment segment{data_ref(slot) + i, 0, static_cast<uint8_t>(here - 1), 0};
    std::memcpy(list + i * sizeof segment, &segment, sizeof segment);
    sectors -= here;
  }
}

QueueSetup Guest::setup(Port port) const {
  QueueSetup setup{{}, port};
  for (uint32_t page = 0; page < workload_.ring_pages(); ++page) {
    setup.ring_refs.push_back(first_page_ + page);
  }
  return setup;
}

bool Guest::collect() {
  const uint64_t before = answered_;
  const Clock::time_point now = Clock::now();
  do {
    while (const auto response = ring_.take()) {
      free_slots_.push_back(response->id);
      if (response->status != sim::kGuestOkay) ++failures_;
      if (measuring_) {
        const std::chrono::nanoseconds took = now - issued_at_[response->id];
        latencies_.push_back(static_cast<uint32_t>(took.count()));
      }
      ++answered_;
    }
  } while (ring_.arm());
  return answered_ != before;
}

bool Guest::issue() {
  if (stopped_) return false;
  const Clock::time_point now = Clock::now();
  while (!free_slots_.empty() && !ring_.full()) {
    issued_at_[free_slots_.back()] = now;
    put(free_slots_.back());
    free_slots_.pop_back();
  }
  return ring_.push();
}

void Guest::put(uint64_t slot) {
  sim::FrontRequest request;
  request.id = slot;
  request.operation = next_is_write() ? sim::kGuestWrite : sim::kGuestRead;
  request.sector = next_block() * (workload_.block_bytes / kSectorBytes);
  request.segment_count = static_cast<uint16_t>(workload_.segments());
  if (workload_.segments() > sim::kGuestSegments) {
    request.inner_operation = request.operation;
    request.operation = sim::kGuestIndirect;
    request.indirect_refs[0] = list_ref(slot);
  } else {
    std::memcpy(request.segments.data(), memory_.pages(list_ref(slot), 1).data(),
                workload_.segments() * sizeof(sim::GuestSegment));
  }
  ring_.put(request);
}

bool Guest::next_is_write() {
  switch (workload_.operation) {
    case Workload::Operation::read:
      return false;
    case Workload::Operation::write:
      return true;
    case Workload::Operation::mixed:
      break;
  }
  return random_() % 2 == 0;
}

uint64_t Guest::next_block() {
  if (workload_.access == Workload::Access::random) {
    return region_.first_block + random_() % region_.blocks;
  }
  const uint64_t block = region_.first_block + next_;
  next_ = (next_ + 1) % region_.blocks;
  return block;
}

GrantRef Guest::list_ref(uint64_t slot) const noexcept {
  return static_cast<GrantRef>(first_page_ + workload_.ring_pages() +
                               slot * (1 + workload_.segments()));
}

}  // namespace tapring::bench
