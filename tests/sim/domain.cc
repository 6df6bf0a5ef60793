// SPDX-License-Identifier: MIT
#include "tests/sim/domain.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

namespace tapring::sim {
namespace {

// Xen keeps the first eight for itself.
constexpr GrantRef kFirstRef = 8;

/// Not std::ranges::fill: without optimization that took half of the time of all tests.
void fill(std::span<std::byte> bytes, int value) noexcept {
  std::memset(bytes.data(), value, bytes.size());
}

}  // namespace

SimDomain::SimDomain(DomainId id, std::size_t pages)
    : id_(id), file_(::memfd_create("domain", MFD_CLOEXEC)), next_ref_(kFirstRef) {
  const std::size_t bytes = pages * kPageBytes;
  if (!file_ || ::ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) {
    throw std::system_error(errno, std::system_category(), "a domain's memory");
  }
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::system_category(), "a domain's memory");
  }
  memory_ = {static_cast<std::byte*>(memory), bytes};
}

SimDomain::~SimDomain() { ::munmap(memory_.data(), memory_.size()); }

Frame SimDomain::allocate(std::size_t pages) {
  Frame first = next_frame_;
  std::vector<Frame>& reusable = free_[pages];
  if (!reusable.empty()) {
    first = reusable.back();
    reusable.pop_back();
    fill(memory(first, pages), 0);
  } else {
    if ((next_frame_ + pages) * kPageBytes > memory_.size()) throw std::bad_alloc();
    next_frame_ += static_cast<Frame>(pages);
  }
  allocated_ += pages;
  return first;
}

void SimDomain::free(Frame first, std::size_t pages) {
  // What is read from a page after its request is over must not look like data.
  fill(memory(first, pages), 0xDB);
  free_[pages].push_back(first);
  allocated_ -= pages;
}

std::span<std::byte> SimDomain::memory(Frame first, std::size_t pages) const noexcept {
  return memory_.subspan(first * kPageBytes, pages * kPageBytes);
}

GrantRef SimDomain::grant(DomainId to, Frame frame, Access access) {
  // References are not used again soon, so that a stale one is found out.
  const GrantRef ref = next_ref_++;
  grants_.emplace(ref, Grant{.to = to, .frame = frame, .access = access});
  return ref;
}

bool SimDomain::end_access(GrantRef ref) {
  const auto found = grants_.find(ref);
  if (found == grants_.end()) return true;
  if (found->second.mapped > 0) return false;
  grants_.erase(found);
  return true;
}

void SimDomain::revoke(GrantRef ref) {
  const auto found = grants_.find(ref);
  if (found == grants_.end()) return;
  found->second.revoked = true;
  if (found->second.mapped == 0) grants_.erase(found);
}

std::vector<GrantRef> SimDomain::grant_refs() const {
  std::vector<GrantRef> refs;
  for (const auto& [ref, grant] : grants_) refs.push_back(ref);
  return refs;
}

bool SimDomain::is_mapped(GrantRef ref) const noexcept {
  const auto found = grants_.find(ref);
  return found != grants_.end() && found->second.mapped > 0;
}

}  // namespace tapring::sim
