// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace tapring {

/// The limit `name` of a block device's queue (Linux, Documentation/ABI/stable/sysfs-block); 0 if
/// it has none, or if there is no such device.
uint64_t queue_limit(dev_t device, const char* name);

}  // namespace tapring
