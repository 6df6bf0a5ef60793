// SPDX-License-Identifier: MIT
// Pages of a guest, and what it grants of them.
#pragma once

#include <cstddef>
#include <span>

#include "tests/pretend/machine.h"

namespace tapring::pretend {

/// So many pages side by side; those of a process that dies are free again. A page's grant
/// reference is its number in the domain.
class GuestMemory {
 public:
  /// Throws std::system_error: ESRCH, ENOMEM.
  GuestMemory(Machine& machine, DomainId domain, uint32_t pages);
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  ~GuestMemory();

  /// Of the page number `index` of these, and `count - 1` more.
  std::span<std::byte> pages(uint32_t index, uint32_t count) const noexcept;
  GrantRef ref(uint32_t index) const noexcept { return first_ + index; }

  void grant(uint32_t index, DomainId to, Permission permission) noexcept;

  /// False, and nothing changes, while somebody maps it.
  bool end_access(uint32_t index);

 private:
  bool is_mapped(GrantRef ref);

  Machine& machine_;
  DomainId domain_;
  uint32_t first_;
  uint32_t count_;
  MemoryView view_;
};

}  // namespace tapring::pretend
