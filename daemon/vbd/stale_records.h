// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "daemon/xenstore/xenstore.h"

namespace tapring {

/// Whether the node of a disk, named by VbdName::sysfs_name(), is gone: the disk was removed while
/// no tapringd ran, and nobody will ask for what was kept of it.
bool is_stale_record(Xenstore& store, DomainId backend, const std::string& disk);

}  // namespace tapring
