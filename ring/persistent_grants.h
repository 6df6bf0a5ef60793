// SPDX-License-Identifier: MIT
// Pages of a guest that stay mapped from request to request, as a guest agrees to that uses the
// same pages again and again (`feature-persistent`, xen/include/public/io/blkif.h).
#pragma once

#include <cstddef>
#include <unordered_map>

#include "ring/grants.h"

namespace tapring {

/// How many pages the rings of a worker may keep mapped together: each is a mapping of its own, and
/// a process has vm.max_map_count of those for everything. One thread.
class MappingBudget {
 public:
  explicit MappingBudget(std::size_t most) noexcept : left_(most) {}

  std::size_t left() const noexcept { return left_; }

 private:
  friend class PersistentGrants;
  std::size_t left_;
};

/// One thread. Unmaps all pages when destroyed.
class PersistentGrants {
 public:
  /// Keeps up to `most` pages of `domain`; 0: none. `table` and `budget` outlive it.
  PersistentGrants(GrantTable& table, MappingBudget& budget, DomainId domain, std::size_t most)
      : table_(table), budget_(budget), domain_(domain), most_(most) {}
  PersistentGrants(const PersistentGrants&) = delete;
  PersistentGrants& operator=(const PersistentGrants&) = delete;
  ~PersistentGrants() { clear(); }

  /// The granted page, mapped now if it was not before; nullptr if it is not to be kept mapped, so
  /// that Xen has to copy.
  std::byte* page(GrantRef ref);

  void clear() noexcept {
    budget_.left_ += pages_.size();
    pages_.clear();
  }

 private:
  GrantTable& table_;
  MappingBudget& budget_;
  DomainId domain_;
  std::size_t most_;
  std::unordered_map<GrantRef, GrantMapping> pages_;
};

}  // namespace tapring
