// SPDX-License-Identifier: MIT
// A guest's memory, and what it granted of it to whom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "ring/grants.h"
#include "ring/unique_fd.h"

namespace tapring::sim {

/// Number of a page of a domain's memory.
using Frame = uint32_t;

enum class Access : uint8_t { read_write, read_only };

class SimDomain {
 public:
  static constexpr std::size_t kDefaultPages = 16384;

  explicit SimDomain(DomainId id, std::size_t pages = kDefaultPages);
  SimDomain(const SimDomain&) = delete;
  SimDomain& operator=(const SimDomain&) = delete;
  ~SimDomain();

  DomainId id() const noexcept { return id_; }

  /// Neighbouring pages, zeroed. Throws std::bad_alloc when memory is used up.
  Frame allocate(std::size_t pages);
  void free(Frame first, std::size_t pages);
  std::size_t allocated_pages() const noexcept { return allocated_; }

  /// The domain's own view of its pages.
  std::span<std::byte> memory(Frame first, std::size_t pages) const noexcept;

  GrantRef grant(DomainId to, Frame frame, Access access);

  /// Takes a grant back, as gnttab_try_end_foreign_access does: false, and nothing happens, while
  /// the page is still mapped. True as well if it was revoked before.
  bool end_access(GrantRef ref);

  /// What a domain may do at any time: nobody can use the grant from now on, but who has mapped
  /// the page keeps it.
  void revoke(GrantRef ref);

  bool is_mapped(GrantRef ref) const noexcept;

  std::size_t grants() const noexcept { return grants_.size(); }
  std::vector<GrantRef> grant_refs() const;

 private:
  friend class SimGrants;

  struct Grant {
    DomainId to;
    Frame frame;
    Access access;
    bool revoked = false;
    std::size_t mapped = 0;  ///< so many times
  };

  DomainId id_;
  UniqueFd file_;
  std::span<std::byte> memory_;
  Frame next_frame_ = 0;
  std::map<std::size_t, std::vector<Frame>> free_;  ///< by number of pages
  std::size_t allocated_ = 0;
  std::map<GrantRef, Grant> grants_;
  GrantRef next_ref_;
};

}  // namespace tapring::sim
