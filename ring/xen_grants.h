// SPDX-License-Identifier: MIT
// The grant table of production: libxengnttab over /dev/xen/gntdev.
#pragma once

extern "C" {  // the header does not say so itself
#include <xengnttab.h>
}
#include <xentoollog.h>

#include <memory>
#include <vector>

#include "ring/grants.h"

namespace tapring {

/// For the Xen libraries, which print each failure to stderr unless told otherwise. A guest can
/// make them fail as often as it likes, and we report through return values.
xentoollog_logger* silent_xen_log() noexcept;

class XenGrants final : public GrantTable {
 public:
  /// Throws std::system_error when /dev/xen/gntdev cannot be opened.
  XenGrants();

  Result<std::span<std::byte>> map(DomainId domain, std::span<const GrantRef> refs) override;
  void unmap(std::span<std::byte> pages) override;
  Error copy(std::span<GrantCopy> copies) override;

 private:
  struct Close {
    void operator()(xengnttab_handle* handle) const noexcept { xengnttab_close(handle); }
  };
  std::unique_ptr<xengnttab_handle, Close> handle_;
  std::vector<xengnttab_grant_copy_segment_t> segments_;  // kept for its capacity
};

}  // namespace tapring
