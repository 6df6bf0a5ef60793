// SPDX-License-Identifier: MIT
#include "tests/sim/grants.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

namespace tapring::sim {
namespace {

/// Shows one page of a domain's memory at `address` instead of what is there.
void show_page(std::byte* address, int memory, Frame frame) {
  const auto offset = static_cast<off_t>(frame * kPageBytes);
  if (::mmap(address, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, offset) ==
      MAP_FAILED) {
    throw std::system_error(errno, std::system_category(), "mapping a simulated grant");
  }
}

/// The same bytes at the same place, shared with nobody.
void make_private(std::span<std::byte> pages) {
  const std::vector<std::byte> bytes(pages.begin(), pages.end());
  if (::mmap(pages.data(), pages.size(), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
    throw std::system_error(errno, std::system_category(), "taking a simulated grant away");
  }
  std::ranges::copy(bytes, pages.begin());
}

}  // namespace

Result<std::span<std::byte>> SimGrants::map(DomainId domain, std::span<const GrantRef> refs) {
  if (dead_) return std::unexpected(system_error_code(EINVAL));
  for (const GrantRef ref : refs) {
    if (usable(domain, ref, true) == nullptr) return std::unexpected(system_error_code(EINVAL));
  }
  const std::size_t bytes = refs.size() * kPageBytes;
  void* address = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return std::unexpected(system_error_code(errno));
  const std::span pages(static_cast<std::byte*>(address), bytes);
  const std::shared_ptr<SimDomain>& granter = machine_.domains_.at(domain);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    SimDomain::Grant& grant = granter->grants_.at(refs[i]);
    ++grant.mapped;
    show_page(pages.subspan(i * kPageBytes).data(), granter->file_.get(), grant.frame);
  }
  machine_.mappings_.emplace(
      pages.data(), SimMachine::Mapping{granter, std::vector(refs.begin(), refs.end()), this});
  return pages;
}

void SimGrants::unmap(std::span<std::byte> pages) {
  if (!dead_) {
    const auto found = machine_.mappings_.find(pages.data());
    assert(found != machine_.mappings_.end());
    assert(found->second.refs.size() * kPageBytes == pages.size());
    give_back(found->second);
    machine_.mappings_.erase(found);
  }
  ::munmap(pages.data(), pages.size());
}

void SimGrants::give_back(const SimMachine::Mapping& mapping) {
  for (const GrantRef ref : mapping.refs) {
    SimDomain::Grant& grant = mapping.granter->grants_.at(ref);
    if (--grant.mapped == 0 && grant.revoked) mapping.granter->grants_.erase(ref);
  }
}

void SimGrants::die() {
  dead_ = true;
  std::erase_if(machine_.mappings_, [this](const auto& entry) {
    const auto& [address, mapping] = entry;
    if (mapping.by != this) return false;
    give_back(mapping);
    make_private({address, mapping.refs.size() * kPageBytes});
    return true;
  });
}

Error SimGrants::copy(std::span<GrantCopy> copies) {
  ++copy_calls_;
  copies_ += copies.size();
  if (dead_) return system_error_code(EIO);
  if (failing_calls_ > 0) {
    --failing_calls_;
    return system_error_code(EIO);
  }
  for (const GrantCopy& copy : copies) {
    if (copy.offset + copy.length > kPageBytes) return system_error_code(EINVAL);
  }
  for (GrantCopy& copy : copies) copy.failed = !copy_one(copy);
  return {};
}

SimDomain::Grant* SimGrants::usable(DomainId domain, GrantRef ref,
                                    bool for_writing) const noexcept {
  SimDomain* granter = machine_.find(domain);
  if (granter == nullptr) return nullptr;
  const auto found = granter->grants_.find(ref);
  if (found == granter->grants_.end()) return nullptr;
  SimDomain::Grant& grant = found->second;
  if (grant.revoked || grant.to != own_domain_) return nullptr;
  if (for_writing && grant.access == Access::read_only) return nullptr;
  return &grant;
}

bool SimGrants::copy_one(const GrantCopy& copy) const noexcept {
  const SimDomain::Grant* grant = usable(copy.domain, copy.ref, copy.to_guest);
  if (grant == nullptr) return false;
  const std::span<std::byte> page = machine_.find(copy.domain)->memory(grant->frame, 1);
  std::byte* theirs = page.subspan(copy.offset, copy.length).data();
  if (copy.to_guest) {
    std::memcpy(theirs, copy.local, copy.length);
  } else {
    std::memcpy(copy.local, theirs, copy.length);
  }
  return true;
}

}  // namespace tapring::sim
