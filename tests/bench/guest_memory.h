// SPDX-License-Identifier: MIT
// Plain memory in place of granted pages, so that a grant copy costs what its bytes cost.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ring/grants.h"

namespace tapring::bench {

/// A reference is the number of a page.
class GuestMemory final : public GrantTable {
 public:
  /// Throws std::system_error.
  explicit GuestMemory(std::size_t pages);
  ~GuestMemory() override;
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  std::span<std::byte> pages(GrantRef first, std::size_t count) const noexcept {
    return memory_.subspan(first * kPageBytes, count * kPageBytes);
  }

  /// Only of pages that lie side by side.
  Result<std::span<std::byte>> map(DomainId domain, std::span<const GrantRef> refs) override;
  void unmap(std::span<std::byte>) override {}
  Error copy(std::span<GrantCopy> copies) override;

  /// Calls of copy(), each of which would be one to Xen.
  uint64_t calls() const noexcept { return calls_.load(std::memory_order_relaxed); }

 private:
  std::span<std::byte> memory_;
  std::atomic<uint64_t> calls_ = 0;
};

}  // namespace tapring::bench
