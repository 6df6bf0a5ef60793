// SPDX-License-Identifier: MIT
#include "tests/bench/guest.h"

#include <algorithm>
#include <cstring>

namespace tapring::bench {
namespace {

constexpr uint32_t kSectorsInPage = kPageBytes / kSectorBytes;

}  // namespace

std::size_t Guest::pages_for(const Workload& workload) {
  return workload.ring_pages() + std::size_t{workload.depth} * (1 + workload.segments());
}

Guest::Guest(GuestMemory& memory, GrantRef first_page, const Workload& workload,
             const Region& region, uint32_t seed)
    : memory_(memory),
      first_page_(first_page),
      workload_(workload),
      demand_(workload, region, seed),
      ring_(memory.pages(first_page, workload.ring_pages()), Abi::x86_64) {
  for (uint64_t slot = 0; slot < workload_.depth; ++slot) {
    write_list(slot);
    std::ranges::fill(memory_.pages(data_ref(slot), workload_.segments()), kContent);
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
  const uint64_t before = answered();
  const Demand::Clock::time_point now = Demand::Clock::now();
  do {
    while (const auto response = ring_.take()) {
      demand_.answer(response->id, response->status == sim::kGuestOkay, now);
    }
  } while (ring_.arm());
  return answered() != before;
}

bool Guest::issue() {
  if (!demand_.wants_more()) return false;
  const Demand::Clock::time_point now = Demand::Clock::now();
  while (demand_.wants_more() && !ring_.full()) put(demand_.next(now));
  return ring_.push();
}

void Guest::put(const Demand::Request& wanted) {
  const uint64_t slot = wanted.slot;
  sim::FrontRequest request;
  request.id = slot;
  request.operation = wanted.write ? sim::kGuestWrite : sim::kGuestRead;
  request.sector = wanted.block * (workload_.block_bytes / kSectorBytes);
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

GrantRef Guest::list_ref(uint64_t slot) const noexcept {
  return static_cast<GrantRef>(first_page_ + workload_.ring_pages() +
                               slot * (1 + workload_.segments()));
}

}  // namespace tapring::bench
