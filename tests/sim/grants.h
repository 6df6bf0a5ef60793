// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "ring/grants.h"
#include "tests/sim/machine.h"

namespace tapring::sim {

/// What the domains of a machine granted to one of them, with the checks of Xen: a reference that
/// is not there, revoked, or meant for another domain is refused, as is writing to a page that may
/// only be read. Mappings count; the machine knows them.
class SimGrants final : public GrantTable {
 public:
  SimGrants(SimMachine& machine, DomainId own_domain) noexcept
      : machine_(machine), own_domain_(own_domain) {}

  Result<std::span<std::byte>> map(DomainId domain, std::span<const GrantRef> refs) override;
  void unmap(std::span<std::byte> pages) override;
  Error copy(std::span<GrantCopy> copies) override;

  /// The process is killed: its mappings are gone, and nothing it does from now on has an effect.
  /// What it had mapped is memory of its own instead.
  void die();

  uint64_t copy_calls() const noexcept { return copy_calls_; }
  uint64_t copies() const noexcept { return copies_; }

  /// The next `calls` to copy() fail as a whole.
  void fail_copy_calls(unsigned calls) noexcept { failing_calls_ = calls; }

 private:
  SimDomain::Grant* usable(DomainId domain, GrantRef ref, bool for_writing) const noexcept;
  bool copy_one(const GrantCopy& copy) const noexcept;
  static void give_back(const SimMachine::Mapping& mapping);

  SimMachine& machine_;
  DomainId own_domain_;
  uint64_t copy_calls_ = 0;
  uint64_t copies_ = 0;
  unsigned failing_calls_ = 0;
  bool dead_ = false;
};

}  // namespace tapring::sim
