// SPDX-License-Identifier: MIT
#include "tests/pretend/stream_memory.h"

#include <algorithm>
#include <cassert>

#include "tests/sim/random.h"

namespace tapring::pretend {
namespace {

constexpr uint32_t kMostPages = kPages - kReservedPages;

/// The rings, and a list of segments for each request.
uint32_t own_pages(const StreamWork& work, uint32_t queues) {
  return queues * ((1U << work.ring_order()) + work.depth);
}

uint32_t data_requests(const StreamWork& work, uint32_t queues) {
  const uint32_t room = kMostPages - std::min(kMostPages, own_pages(work, queues));
  return std::max(1U, std::min(queues * work.depth, room / work.pages()));
}

/// What no storage makes smaller.
void fill(std::span<std::byte> bytes) {
  sim::Random random(1);
  for (std::size_t i = 0; i + sizeof(uint64_t) <= bytes.size(); i += sizeof(uint64_t)) {
    const uint64_t word = random.next();
    std::ranges::copy(std::as_bytes(std::span(&word, 1)), bytes.begin() + std::ptrdiff_t(i));
  }
}

}  // namespace

StreamMemory::StreamMemory(Machine& machine, DomainId domain, DomainId backend,
                           const StreamWork& work, uint32_t queues)
    : own_pages_(own_pages(work, queues)),
      request_pages_(work.pages()),
      data_requests_(data_requests(work, queues)),
      memory_(machine, domain, own_pages_ + data_requests_ * request_pages_) {
  const uint32_t data_pages = data_requests_ * request_pages_;
  for (uint32_t page = 0; page < own_pages_ + data_pages; ++page) {
    memory_.grant(page, backend, Permission::read_write);
  }
  fill(memory_.pages(own_pages_, data_pages));
}

uint32_t StreamMemory::take(uint32_t pages) {
  assert(next_own_ + pages <= own_pages_);
  const uint32_t first = next_own_;
  next_own_ += pages;
  return first;
}

uint32_t StreamMemory::take_data() {
  return own_pages_ + next_data_++ % data_requests_ * request_pages_;
}

}  // namespace tapring::pretend
