// SPDX-License-Identifier: MIT
#include "tests/pretend/grants.h"

#include <sys/mman.h>
#include <xen/xen.h>
// After xen.h, whose types it uses.
#include <xen/grant_table.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace tapring::pretend {
namespace {

std::unexpected<Error> fail(int number) {
  return std::unexpected(system_error_code(number));
}

/// As gntdev_grant_copy_seg() looks at a segment before Xen does.
bool is_well_formed(const Grants::Copy& copy) {
  const bool from_grant = (copy.flags & GNTCOPY_source_gref) != 0;
  const bool to_grant = (copy.flags & GNTCOPY_dest_gref) != 0;
  const auto fits = [&](uint16_t offset) { return offset + copy.len <= kPageBytes; };
  return (from_grant || to_grant) && (!from_grant || fits(copy.source.foreign.offset)) &&
         (!to_grant || fits(copy.dest.foreign.offset));
}

}  // namespace

Grants::~Grants() {
  while (!areas_.empty()) unmap(areas_.begin()->first, areas_.begin()->second.pages);
}

Result<std::byte*> Grants::map(DomainId domain, std::span<const GrantRef> refs, bool writable) {
  const Machine::Lock lock(machine_);
  ++counters().maps;
  std::vector<uint32_t> records;
  std::vector<uint32_t> pages;
  for (const GrantRef ref : refs) {
    const Result<uint32_t> counted = record(domain, ref);
    if (counted) records.push_back(*counted);
    const Result<Grant> grant = look_up(domain, ref, writable);
    if (!counted || !grant) {
      forget(records);
      return fail(EINVAL);
    }
    pages.push_back(grant->page);
  }
  std::byte* start = map_pages(domain, pages, writable);
  counters().mapped_pages += refs.size();
  areas_[start] = {refs.size(), domain, std::move(records)};
  return start;
}

Error Grants::unmap(const std::byte* start, std::size_t pages) {
  const auto found = areas_.find(start);
  if (found == areas_.end() || found->second.pages != pages) return system_error_code(EINVAL);
  const Area area = std::move(found->second);
  areas_.erase(found);
  ::munmap(const_cast<std::byte*>(start), pages * kPageBytes);
  counters().unmapped_pages += pages;
  const Machine::Lock lock(machine_);
  forget(area.records);
  drop_memory(area.domain);
  return {};
}

Error Grants::copy(std::span<Copy> copies) {
  ++counters().copies;
  ++counters().free_calls;
  if (!std::ranges::all_of(copies, is_well_formed)) return system_error_code(EINVAL);
  uint64_t failed = 0;
  for (Copy& copy : copies) {
    const Side source = side_of(copy, true);
    const Side dest = side_of(copy, false);
    copy.status = source.status != GNTST_okay ? source.status : dest.status;
    if (copy.status == GNTST_okay) {
      std::memcpy(dest.bytes, source.bytes, copy.len);
    } else {
      ++failed;
    }
  }
  counters().copied_segments += copies.size() - failed;
  if (failed > 0) counters().failed_segments += failed;
  return {};
}

std::byte* Grants::map_pages(DomainId domain, std::span<const uint32_t> pages, bool writable) {
  const std::size_t bytes = pages.size() * kPageBytes;
  void* start = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) throw std::bad_alloc();
  const UniqueFd memory = machine_.open_memory(domain);
  const int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  auto* next = static_cast<std::byte*>(start);
  for (const uint32_t page : pages) {
    ::mmap(next, kPageBytes, access, MAP_SHARED | MAP_FIXED, memory.get(),
           static_cast<off_t>(page * kPageBytes));
    next += kPageBytes;
  }
  return static_cast<std::byte*>(start);
}

/// Counts the page as mapped, whatever is granted. That is to be looked at afterwards: then a guest
/// that ends the grant at this moment sees that it is mapped, or we see that it ended.
Result<uint32_t> Grants::record(DomainId domain, GrantRef ref) {
  if (!machine_.is_alive(domain) || ref >= kGrants) return fail(EINVAL);
  Control& control = machine_.control();
  const auto used = std::span(control.mappings).first(control.mappings_used);
  const auto free = std::ranges::find(used, false, &Mapping::used);
  const auto index = static_cast<uint32_t>(free - used.begin());
  if (index == kMappings) return fail(ENOSPC);
  Mapping& mapping = control.mappings[index];
  mapping.owner = machine_.self();
  mapping.domain = domain;
  mapping.ref = ref;
  ++machine_.domain(domain).grants[ref].mapped;
  mapping.used = true;
  control.mappings_used = std::max(control.mappings_used, index + 1);
  return index;
}

void Grants::forget(std::span<const uint32_t> records) {
  for (const uint32_t index : records) {
    Mapping& mapping = machine_.control().mappings[index];
    mapping.used = false;
    --machine_.domain(mapping.domain).grants[mapping.ref].mapped;
  }
}

Result<Grant> Grants::look_up(DomainId domain, GrantRef ref, bool writable) {
  if (!machine_.is_alive(domain)) return fail(ESRCH);
  if (ref >= kGrants) return fail(ENOENT);
  const Grant grant = machine_.domain(domain).grants[ref].grant;
  const Permission wanted = writable ? Permission::read_write : Permission::read;
  if (grant.permission < wanted || grant.domain != own_) return fail(EPERM);
  return grant;
}

Grants::Side Grants::side_of(const Copy& copy, bool source) {
  const auto& side = source ? copy.source : copy.dest;
  const bool foreign = (copy.flags & (source ? GNTCOPY_source_gref : GNTCOPY_dest_gref)) != 0;
  if (!foreign) return {static_cast<std::byte*>(side.virt), GNTST_okay};
  const auto grant = look_up(side.foreign.domid, side.foreign.ref, !source);
  if (!grant) {
    const int number = grant.error().value();
    const int16_t status = number == ESRCH    ? GNTST_bad_domain
                           : number == ENOENT ? GNTST_bad_gntref
                                              : GNTST_general_error;
    return {nullptr, status};
  }
  std::byte* memory = memory_of(side.foreign.domid);
  return {memory + grant->page * kPageBytes + side.foreign.offset, GNTST_okay};
}

std::byte* Grants::memory_of(DomainId domain) {
  std::unique_ptr<MemoryView>& view = memory_.at(domain);
  if (!view) view = std::make_unique<MemoryView>(machine_, domain, 0, kPages);
  return view->bytes().data();
}

/// Gone with the last ring of the domain, so that a process is afterwards what it was before.
void Grants::drop_memory(DomainId domain) {
  const bool used = std::ranges::any_of(
      areas_, [domain](const auto& entry) { return entry.second.domain == domain; });
  if (!used) memory_.at(domain).reset();
}

}  // namespace tapring::pretend
