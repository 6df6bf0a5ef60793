// SPDX-License-Identifier: MIT
#include "ring/xen_grants.h"

#include <sys/mman.h>
#include <xen/xen.h>
// After xen.h, whose types it uses.
#include <xen/grant_table.h>

#include <cerrno>
#include <system_error>

#include "ring/scratch_pages.h"

namespace tapring {

xentoollog_logger* silent_xen_log() noexcept {
  static xentoollog_logger logger{
      [](xentoollog_logger*, xentoollog_level, int, const char*, const char*, va_list) {},
      [](xentoollog_logger*, const char*, const char*, int, unsigned long, unsigned long) {},
      [](xentoollog_logger*) {}};
  return &logger;
}

XenGrants::XenGrants() : handle_(xengnttab_open(silent_xen_log(), 0)) {
  if (!handle_) {
    throw std::system_error(errno, std::system_category(),
                            "open /dev/xen/gntdev (is this a Xen domain, and xen-gntdev loaded?)");
  }
}

Result<std::span<std::byte>> XenGrants::map(DomainId domain, std::span<const GrantRef> refs) {
  std::vector<uint32_t> mutable_refs(refs.begin(), refs.end());
  const auto count = static_cast<uint32_t>(mutable_refs.size());
  void* pages = xengnttab_map_domain_grant_refs(handle_.get(), count, domain, mutable_refs.data(),
                                                PROT_READ | PROT_WRITE);
  if (pages == nullptr) return std::unexpected(system_error_code(errno != 0 ? errno : EINVAL));
  const std::span mapped(static_cast<std::byte*>(pages), refs.size() * kPageBytes);
  exclude_from_dumps(mapped);
  return mapped;
}

void XenGrants::unmap(std::span<std::byte> pages) {
  xengnttab_unmap(handle_.get(), pages.data(), static_cast<uint32_t>(pages.size() / kPageBytes));
}

Error XenGrants::copy(std::span<GrantCopy> copies) {
  segments_.resize(copies.size());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const GrantCopy& copy = copies[i];
    xengnttab_grant_copy_segment_t& segment = segments_[i];
    auto& ours = copy.to_guest ? segment.source : segment.dest;
    auto& theirs = copy.to_guest ? segment.dest : segment.source;
    ours.virt = copy.local;
    theirs.foreign = {copy.ref, copy.offset, copy.domain};
    segment.len = copy.length;
    segment.flags = copy.to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    segment.status = GNTST_general_error;
  }
  if (xengnttab_grant_copy(handle_.get(), static_cast<uint32_t>(segments_.size()),
                           segments_.data()) != 0) {
    return system_error_code(errno != 0 ? errno : EIO);
  }
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i].failed = segments_[i].status != GNTST_okay;
  }
  return {};
}

}  // namespace tapring
