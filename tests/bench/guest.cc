// SPDX-License-Identifier: MIT
#include "tests/bench/guest.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace tapring::bench {
GuestMemory::GuestMemory(std::size_t pages) {
  const std::size_t bytes = pages * kXenPageBytes;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::system_category(), "guest memory");
  memory_ = {static_cast<std::byte*>(memory), bytes};
}

GuestMemory::~GuestMemory() { ::munmap(memory_.data(), memory_.size()); }

std::span<std::byte> GuestMemory::page(GrantRef ref) const noexcept {
  return memory_.subspan(ref * kXenPageBytes, kXenPageBytes);
}

Result<std::span<std::byte>> GuestMemory::map(DomainId, std::span<const GrantRef> refs) {
  return memory_.subspan(refs.front() * kXenPageBytes, refs.size() * kXenPageBytes);
}

Error GuestMemory::copy(std::span<GrantCopy> copies) {
  for (const GrantCopy& copy : copies) {
    std::byte* theirs = page(copy.ref).subspan(copy.offset, copy.length).data();
    if (copy.to_guest) {
      std::memcpy(theirs, copy.local, copy.length);
    } else {
      std::memcpy(copy.local, theirs, copy.length);
    }
  }
  return {};
}

std::size_t Guest::pages_for(const Workload& workload) {
  const std::size_t segments = workload.block_bytes / kXenPageBytes;
  return kRingPages + workload.depth * (segments + 1);
}

Guest::Guest(Loop& loop, GuestMemory& memory, GuestEvents& events, const Workload& workload,
             uint64_t disk_bytes)
    : loop_(loop), memory_(memory), events_(events), workload_(workload),
      blocks_(disk_bytes / workload.block_bytes), ring_(memory.page(0), Abi::x86_64) {
  loop_.add_batch(*this);
  for (uint64_t slot = 0; slot < workload_.depth; ++slot) {
    free_slots_.push_back(slot);
    // The segments of a slot never change, so neither does their list.
    for (uint32_t i = 0; i < segments(); ++i) {
      const sim::GuestSegment segment{data_ref(slot) + i, 0, 7, 0};
      const std::size_t offset = i * sizeof segment;
      if (offset + sizeof segment > kXenPageBytes) break;
      std::memcpy(memory_.page(list_ref(slot)).subspan(offset).data(), &segment, sizeof segment);
    }
  }
}

RingSetup Guest::rings() const { return {Abi::x86_64, "x86_64-abi", {{{0}, 1}}}; }

bool Guest::flush() {
  const uint64_t before = answered_;
  do {
    while (const auto response = ring_.take()) {
      free_slots_.push_back(response->id);
      if (response->status != sim::kGuestOkay) ++failures_;
      ++answered_;
    }
  } while (ring_.arm());
  if (answered_ == before) return false;
  if (!stopped_) issue();
  return true;
}

void Guest::issue() {
  while (!free_slots_.empty() && !ring_.full()) {
    put(free_slots_.back());
    free_slots_.pop_back();
  }
  if (ring_.push()) events_.send();
}

void Guest::put(uint64_t slot) {
  sim::FrontRequest request;
  request.id = slot;
  request.operation = workload_.writes ? sim::kGuestWrite : sim::kGuestRead;
  request.sector = random_() % blocks_ * (workload_.block_bytes / kSectorBytes);
  request.segment_count = static_cast<uint16_t>(segments());
  if (segments() > sim::kGuestSegments) {
    request.inner_operation = request.operation;
    request.operation = sim::kGuestIndirect;
    request.indirect_refs[0] = list_ref(slot);
  } else {
    std::memcpy(request.segments.data(), memory_.page(list_ref(slot)).data(),
                segments() * sizeof(sim::GuestSegment));
  }
  ring_.put(request);
}

GrantRef Guest::data_ref(uint64_t slot) const noexcept {
  return static_cast<GrantRef>(kRingPages + slot * (segments() + 1) + 1);
}

GrantRef Guest::list_ref(uint64_t slot) const noexcept { return data_ref(slot) - 1; }

uint32_t Guest::segments() const noexcept {
  return static_cast<uint32_t>(workload_.block_bytes / kXenPageBytes);
}

}  // namespace tapring::bench
