// SPDX-License-Identifier: MIT
#include "tests/bench/guest_memory.h"

#include <sys/mman.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace tapring::bench {

GuestMemory::GuestMemory(std::size_t pages) {
  const std::size_t bytes = pages * kPageBytes;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::system_category(), "guest memory");
  memory_ = {static_cast<std::byte*>(memory), bytes};
}

GuestMemory::~GuestMemory() {
  ::munmap(memory_.data(), memory_.size());
}

Result<std::span<std::byte>> GuestMemory::map(DomainId, std::span<const GrantRef> refs) {
  assert(refs.back() - refs.front() + 1 == refs.size());
  return pages(refs.front(), refs.size());
}

Error GuestMemory::copy(std::span<GrantCopy> copies) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  for (const GrantCopy& copy : copies) {
    std::byte* theirs = pages(copy.ref, 1).subspan(copy.offset, copy.length).data();
    if (copy.to_guest) {
      std::memcpy(theirs, copy.local, copy.length);
    } else {
      std::memcpy(copy.local, theirs, copy.length);
    }
  }
  return {};
}

}  // namespace tapring::bench
