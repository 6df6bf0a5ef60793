// SPDX-License-Identifier: MIT
// Which domain this is, and which vbds have it as their backend.
#pragma once

#include <string>
#include <vector>

#include "daemon/xenstore/vbd_name.h"
#include "daemon/xenstore/xenstore.h"

namespace tapring {

/// Relative paths are in the directory of our own domain, which may be a driver domain. Throws
/// std::runtime_error while xenstore does not say.
DomainId own_domain(Xenstore& store);

/// Those of a kind that have nodes.
std::vector<VbdName> list_vbds(Xenstore& store, DomainId backend, const std::string& kind);

}  // namespace tapring
