// SPDX-License-Identifier: MIT
// How a vbd is called: by its place in xenstore, in the kernel's sysfs, and by people.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ring/grants.h"

namespace tapring {

struct VbdName {
  std::string kind;  ///< of backend: vbd, vbd3, qdisk
  DomainId domain = 0;  ///< the frontend's
  uint32_t device = 0;

  auto operator<=>(const VbdName&) const = default;

  /// The node's directory in the store of backend domain `backend`.
  std::string backend_path(DomainId backend) const;
  /// As xenbus names the device: "vbd-0-51712".
  std::string sysfs_name() const;
};

/// "/local/domain/0/backend", where all kinds of `backend` are.
std::string backend_root(DomainId backend);

/// The vbd that a path at or below its directory belongs to; nullopt for any other path.
std::optional<VbdName> parse_vbd_path(std::string_view path, DomainId backend);

/// VbdName::sysfs_name() back.
std::optional<VbdName> parse_sysfs_name(std::string_view name);

}  // namespace tapring
