// SPDX-License-Identifier: MIT
// Memory that guests granted us: an interface. XenGrants is the real one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "ring/error.h"
#include "ring/sizes.h"

namespace tapring {

using DomainId = uint16_t;
using GrantRef = uint32_t;

/// One copy between a granted page and our memory; `failed` is its result.
struct GrantCopy {
  std::byte* local = nullptr;
  GrantRef ref = 0;
  DomainId domain = 0;
  uint16_t offset = 0;  ///< bytes into the granted page; offset + length stay inside it
  uint16_t length = 0;  ///< bytes
  bool to_guest = false;
  bool failed = false;
};

/// The grants of other domains to this one. Each object is for one thread.
class GrantTable {
 public:
  virtual ~GrantTable() = default;

  /// Maps pages of one domain side by side, readable and writable; all of them or none.
  virtual Result<std::span<std::byte>> map(DomainId domain, std::span<const GrantRef> refs) = 0;

  /// Undoes one map(); `pages`: all that it returned.
  virtual void unmap(std::span<std::byte> pages) = 0;

  /// Does every copy, in one call to Xen, and sets `failed` of each. An Error means that none of
  /// them can be relied on.
  virtual Error copy(std::span<GrantCopy> copies) = 0;
};

/// Keeps granted pages mapped for as long as it lives.
class GrantMapping {
 public:
  GrantMapping() = default;
  GrantMapping(GrantTable& table, std::span<std::byte> pages) noexcept
      : table_(&table), pages_(pages) {}
  GrantMapping(GrantMapping&& other) noexcept
      : table_(std::exchange(other.table_, nullptr)), pages_(std::exchange(other.pages_, {})) {}
  GrantMapping& operator=(GrantMapping&& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(pages_, other.pages_);
    return *this;
  }
  ~GrantMapping() {
    if (table_ != nullptr) table_->unmap(pages_);
  }

  std::span<std::byte> pages() const noexcept { return pages_; }

 private:
  GrantTable* table_ = nullptr;
  std::span<std::byte> pages_;
};

}  // namespace tapring
