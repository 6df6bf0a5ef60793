// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace tapring {

/// A limit of a block device's queue by its name (Linux, Documentation/ABI/stable/sysfs-block); 0
/// where it has none, or where there is no such device.
uint64_t queue_limit(dev_t device, const char* name);

}  // namespace tapring
