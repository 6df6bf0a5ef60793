// SPDX-License-Identifier: MIT
// A disk that is attached, used and detached again and again.
#pragma once

#include <cstdint>

#include "tests/pretend/guest_disk.h"
#include "tests/pretend/load.h"
#include "tests/pretend/toolstack.h"

namespace tapring::pretend {

/// One after the other. What a cycle wrote is what the next ones find. Throws as Toolstack and
/// GuestDisk do.
void run_cycles(GuestWorld& world, const sim::DiskLine& line, const GuestDiskOptions& options,
                uint64_t cycles, Load& load);

}  // namespace tapring::pretend
