// SPDX-License-Identifier: MIT
// Pages of a guest that stay mapped from request to request, which a guest agrees to by
// `feature-persistent` (xen/include/public/io/blkif.h): it uses the same pages again and again.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "ring/grants.h"

namespace tapring {

/// How many pages the rings of a worker may keep together: each is a mapping of its own, of which a
/// process has vm.max_map_count for all that it does. One thread.
class KeptPages {
 public:
  explicit KeptPages(std::size_t most) noexcept : left_(most) {}

  std::size_t left() const noexcept { return left_; }

 private:
  friend class PersistentGrants;
  std::size_t left_;
};

/// One thread. Gives all pages back when destroyed.
class PersistentGrants {
 public:
  /// Keeps up to `most` pages of `domain`; 0: none. `table` and `budget` outlive it.
  PersistentGrants(GrantTable& table, KeptPages& budget, DomainId domain, std::size_t most)
      : table_(table), budget_(budget), domain_(domain), most_(most) {}
  PersistentGrants(const PersistentGrants&) = delete;
  PersistentGrants& operator=(const PersistentGrants&) = delete;
  ~PersistentGrants() { clear(); }

  /// The granted page, mapped now if it has not been yet; nullptr if it is not kept, and so to be
  /// copied by Xen.
  std::byte* page(GrantRef ref);

  void clear() noexcept {
    budget_.left_ += pages_.size();
    pages_.clear();
  }

 private:
  GrantTable& table_;
  KeptPages& budget_;
  DomainId domain_;
  std::size_t most_;
  std::unordered_map<GrantRef, GrantMapping> pages_;
};

}  // namespace tapring
