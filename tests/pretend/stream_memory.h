// SPDX-License-Identifier: MIT
// The pages of a benchmark's guest, granted to the backend once and for all.
#pragma once

#include <cstdint>
#include <span>

#include "tests/pretend/guest_memory.h"
#include "tests/pretend/stream_work.h"

namespace tapring::pretend {

class StreamMemory {
 public:
  /// For so many queues. Where a domain has too little memory for it, requests share the pages of
  /// their data: nobody looks at those.
  StreamMemory(Machine& machine, DomainId domain, DomainId backend, const StreamWork& work,
               uint32_t queues);

  /// Pages side by side that nobody else has. The number of the first.
  uint32_t take(uint32_t pages);

  /// Pages side by side for the data of a request.
  uint32_t take_data();

  std::span<std::byte> pages(uint32_t first, uint32_t count) const noexcept {
    return memory_.pages(first, count);
  }
  GrantRef ref(uint32_t page) const noexcept { return memory_.ref(page); }

 private:
  uint32_t own_pages_;      ///< to be taken
  uint32_t request_pages_;  ///< of the data of one
  uint32_t data_requests_;  ///< whose data have room
  GuestMemory memory_;
  uint32_t next_own_ = 0;
  uint32_t next_data_ = 0;
};

}  // namespace tapring::pretend
