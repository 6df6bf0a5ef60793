// SPDX-License-Identifier: MIT
#include "tests/bench/demand.h"

#include <stdexcept>

namespace tapring::bench {

Demand::Demand(const Workload& workload, const Region& region, uint32_t seed)
    : workload_(workload), region_(region), issued_at_(workload.depth), random_(seed) {
  if (region.blocks == 0) throw std::invalid_argument("an image has no room for a request");
  for (uint64_t slot = 0; slot < workload_.depth; ++slot) free_slots_.push_back(slot);
}

Demand::Request Demand::next(Clock::time_point now) {
  Request request;
  request.slot = free_slots_.back();
  free_slots_.pop_back();
  issued_at_[request.slot] = now;
  request.write = next_is_write();
  request.block = next_block();
  return request;
}

void Demand::answer(uint64_t slot, bool okay, Clock::time_point now) {
  free_slots_.push_back(slot);
  if (!okay) ++failures_;
  if (measuring_) {
    const std::chrono::nanoseconds took = now - issued_at_[slot];
    latencies_.push_back(static_cast<uint32_t>(took.count()));
  }
  ++answered_;
}

bool Demand::next_is_write() {
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

uint64_t Demand::next_block() {
  if (workload_.access == Workload::Access::random) {
    return region_.first_block + random_() % region_.blocks;
  }
  const uint64_t block = region_.first_block + next_;
  next_ = (next_ + 1) % region_.blocks;
  return block;
}

}  // namespace tapring::bench
