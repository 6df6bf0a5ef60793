// SPDX-License-Identifier: MIT
// What a backend may do with pages that other domains granted to its own, by the rules of Xen
// (xen/common/grant_table.c) and of Linux's gntdev.
#pragma once

extern "C" {  // the header does not say so itself
#include <xengnttab.h>
}

#include <array>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "ring/error.h"
#include "tests/pretend/machine.h"

namespace tapring::pretend {

/// One handle, for one thread.
class Grants {
 public:
  using Copy = xengnttab_grant_copy_segment_t;

  Grants(Machine& machine, DomainId domain) : machine_(machine), own_(domain) {}
  Grants(const Grants&) = delete;
  Grants& operator=(const Grants&) = delete;
  ~Grants();

  /// One page after the other, from an address that is a multiple of the page's size. EINVAL if any
  /// reference does not stand for that access; then nothing is mapped.
  Result<std::byte*> map(DomainId domain, std::span<const GrantRef> refs, bool writable);

  /// EINVAL unless start and number of pages are those of one map().
  Error unmap(const std::byte* start, std::size_t pages);

  /// Each says in its status how it went. EINVAL, and nothing is done, if a copy names no grant or
  /// leaves its page.
  Error copy(std::span<Copy> copies);

 private:
  struct Area {
    std::size_t pages;
    DomainId domain;
    std::vector<uint32_t> records;  ///< in Control::mappings
  };
  struct Side {
    std::byte* bytes;
    int16_t status;
  };

  std::byte* map_pages(DomainId domain, std::span<const uint32_t> pages, bool writable);
  Result<uint32_t> record(DomainId domain, GrantRef ref);
  void forget(std::span<const uint32_t> records);
  Result<Grant> look_up(DomainId domain, GrantRef ref, bool writable);
  Side side_of(const Copy& copy, bool source);
  std::byte* memory_of(DomainId domain);
  Counters& counters() { return machine_.domain(own_).counters; }
  void drop_memory(DomainId domain);

  Machine& machine_;
  DomainId own_;
  std::map<const std::byte*, Area> areas_;
  std::array<std::unique_ptr<MemoryView>, kDomains> memory_;  ///< what is copied from and to
};

}  // namespace tapring::pretend
