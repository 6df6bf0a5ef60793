// SPDX-License-Identifier: MIT
#include "tests/pretend/guest_queue.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <system_error>
#include <utility>

namespace tapring::pretend {
namespace {

constexpr std::size_t kSector = 512;
constexpr uint32_t kSectorsInPage = 8;

uint32_t pages_for(const GuestQueue::Options& options) {
  return (1U << options.ring_order) + options.depth * (1 + options.most_segments);
}

Port allocate_port(Events& events, DomainId backend) {
  const Result<Port> port = events.allocate_unbound(backend);
  if (!port) throw std::system_error(port.error(), "a guest's event channel");
  return *port;
}

}  // namespace

GuestQueue::GuestQueue(Machine& machine, Events& events, DomainId domain, DomainId backend,
                       const Options& options, Answered answered)
    : events_(events),
      backend_(backend),
      options_(options),
      ring_pages_(1U << options.ring_order),
      memory_(machine, domain, pages_for(options)),
      ring_(memory_.pages(0, ring_pages_), options.abi),
      port_(allocate_port(events, backend)),
      answered_(std::move(answered)),
      slots_(options.depth) {
  options_.depth = std::min(options_.depth, ring_.size());
  for (uint32_t slot = options_.depth; slot > 0; --slot) free_.push_back(slot - 1);
  for (uint32_t page = 0; page < ring_pages_; ++page) {
    memory_.grant(page, backend_, Permission::read_write);
  }
}

GuestQueue::~GuestQueue() {
  release();
}

std::vector<GrantRef> GuestQueue::ring_refs() const {
  std::vector<GrantRef> refs;
  for (uint32_t page = 0; page < ring_pages_; ++page) refs.push_back(memory_.ref(page));
  return refs;
}

std::optional<uint32_t> GuestQueue::take_slot() {
  if (free_.empty() || ring_.full()) return std::nullopt;
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

uint32_t GuestQueue::list_page(uint32_t slot) const noexcept {
  return ring_pages_ + slot * (1 + options_.most_segments);
}

std::span<std::byte> GuestQueue::data(uint32_t slot, const GuestIo& io) const {
  return memory_.pages(data_page(slot), options_.most_segments)
      .subspan(io.head * kSector, io.sectors_moved() * kSector);
}

void GuestQueue::put(uint32_t slot, const GuestIo& io) {
  Slot& used = slots_.at(slot);
  used.io = io;
  used.waiting = true;
  const uint32_t moved = io.sectors_moved();
  used.pages = moved > 0 ? (io.head + moved + kSectorsInPage - 1) / kSectorsInPage : 0;
  used.indirect = used.pages > sim::kGuestSegments;
  assert(used.pages <= options_.most_segments);
  const bool is_read = io.operation == sim::kGuestRead;
  for (uint32_t page = 0; page < used.pages; ++page) {
    memory_.grant(data_page(slot) + page, backend_,
                  is_read ? Permission::read_write : Permission::read);
  }
  const std::vector<sim::GuestSegment> list = segments(slot);
  sim::FrontRequest request{.operation = io.operation,
                            .segment_count = static_cast<uint16_t>(list.size()),
                            .id = slot,
                            .sector = io.sector};
  if (io.operation == sim::kGuestDiscard) request.discard_sectors = io.sectors;
  if (used.indirect) {
    std::memcpy(memory_.pages(list_page(slot), 1).data(), list.data(),
                list.size() * sizeof list[0]);
    memory_.grant(list_page(slot), backend_, Permission::read);
    request.inner_operation = std::exchange(request.operation, sim::kGuestIndirect);
    request.indirect_refs[0] = memory_.ref(list_page(slot));
  } else {
    std::ranges::copy(list, request.segments.begin());
  }
  ring_.put(request);
}

void GuestQueue::push() {
  if (ring_.push()) events_.notify(port_);
}

void GuestQueue::event() {
  if (!violations_.empty()) return;
  do {
    while (const auto response = ring_.take()) answer(*response);
    if (ring_.overflowed()) violation("more responses than requests");
  } while (violations_.empty() && ring_.arm());
}

bool GuestQueue::release() {
  if (std::exchange(released_, true)) return true;
  events_.unbind(port_);
  bool ended = true;
  for (uint32_t page = 0; page < ring_pages_; ++page) ended = memory_.end_access(page) && ended;
  return ended;
}

void GuestQueue::answer(const sim::GuestResponse& response) {
  if (response.id >= slots_.size() || !slots_[response.id].waiting) {
    return violation("a response to " + std::to_string(response.id) + ", which does not wait");
  }
  const auto slot = static_cast<uint32_t>(response.id);
  Slot& used = slots_[slot];
  used.waiting = false;
  if (response.operation != used.io.operation) violation("a response has another operation");
  bool ended = true;
  for (uint32_t page = 0; page < used.pages; ++page) {
    ended = memory_.end_access(data_page(slot) + page) && ended;
  }
  if (used.indirect) ended = memory_.end_access(list_page(slot)) && ended;
  if (!ended) violation("a response came before the pages were unmapped");
  answered_(slot, response.status);
  free_.push_back(slot);
}

std::vector<sim::GuestSegment> GuestQueue::segments(uint32_t slot) const {
  const Slot& used = slots_[slot];
  std::vector<sim::GuestSegment> list;
  uint32_t left = used.io.sectors_moved();
  uint32_t first = used.io.head;
  for (uint32_t page = 0; page < used.pages; ++page) {
    const uint32_t sectors = std::min(left, kSectorsInPage - first);
    list.push_back({memory_.ref(data_page(slot) + page), static_cast<uint8_t>(first),
                    static_cast<uint8_t>(first + sectors - 1), 0});
    left -= sectors;
    first = 0;
  }
  return list;
}

}  // namespace tapring::pretend
