// SPDX-License-Identifier: MIT
#include "tests/pretend/stream_queue.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>
#include <system_error>

namespace tapring::pretend {
namespace {

constexpr uint32_t kSectorsOfPage = 8;

Port allocate_port(Events& events, DomainId backend, bool polled) {
  const Result<Port> port =
      polled ? events.allocate_polled(backend) : events.allocate_unbound(backend);
  if (!port) throw std::system_error(port.error(), "a guest's event channel");
  return *port;
}

}  // namespace

StreamQueue::StreamQueue(StreamMemory& memory, Events& events, DomainId backend,
                         const StreamWork& work)
    : memory_(memory),
      events_(events),
      work_(work),
      ring_pages_(1U << work.ring_order()),
      first_page_(memory.take(ring_pages_)),
      first_list_(memory.take(work.depth)),
      ring_(memory.pages(first_page_, ring_pages_), Abi::x86_64),
      port_(allocate_port(events, backend, work.polls)),
      plan_(work, work.block_sectors(), 0),
      slots_(work.depth) {
  for (uint32_t slot = 0; slot < work.depth; ++slot) make_slot(slot);
}

RingKeys StreamQueue::keys() const {
  RingKeys keys{{}, port_};
  for (uint32_t page = 0; page < ring_pages_; ++page) {
    keys.refs.push_back(memory_.ref(first_page_ + page));
  }
  return keys;
}

void StreamQueue::start(StreamPlan plan, uint64_t now) {
  plan_ = plan;
  for (uint64_t slot = 0; slot < slots_.size(); ++slot) put(slot, now);
  if (ring_.push()) events_.notify(port_);
}

void StreamQueue::turn(uint64_t now, Latencies& latencies, bool stop) {
  do {
    while (const auto response = ring_.take()) {
      latencies.add(now - slots_.at(response->id).begun);
      if (response->status != sim::kGuestOkay) ++failed_;
      if (!stop) put(response->id, now);
    }
    if (ring_.overflowed()) throw std::runtime_error("more responses than requests");
  } while (ring_.arm());
  if (ring_.push()) events_.notify(port_);
}

void StreamQueue::make_slot(uint32_t slot) {
  const uint32_t data = memory_.take_data();
  std::vector<sim::GuestSegment> list;
  uint32_t left = work_.block_sectors();
  for (uint32_t page = 0; page < work_.pages(); ++page) {
    const uint32_t sectors = std::min(left, kSectorsOfPage);
    list.push_back({memory_.ref(data + page), 0, static_cast<uint8_t>(sectors - 1), 0});
    left -= sectors;
  }
  sim::FrontRequest& request = slots_[slot].request;
  request.id = slot;
  request.segment_count = static_cast<uint16_t>(list.size());
  if (list.size() > sim::kGuestSegments) {
    request.operation = sim::kGuestIndirect;
    request.indirect_refs[0] = memory_.ref(first_list_ + slot);
    std::memcpy(memory_.pages(first_list_ + slot, 1).data(), list.data(),
                list.size() * sizeof list[0]);
  } else {
    std::ranges::copy(list, request.segments.begin());
  }
}

void StreamQueue::put(uint64_t slot, uint64_t now) {
  Slot& used = slots_[slot];
  const StreamPlan::Step step = plan_.next();
  const bool indirect = used.request.operation == sim::kGuestIndirect;
  uint8_t& operation = indirect ? used.request.inner_operation : used.request.operation;
  operation = step.writes ? sim::kGuestWrite : sim::kGuestRead;
  used.request.sector = step.sector;
  used.begun = now;
  ring_.put(used.request);
}

}  // namespace tapring::pretend
