// SPDX-License-Identifier: MIT
// Linux closes the devices of a process that was killed. Here those who come later do that.
#pragma once

#include "tests/pretend/machine.h"

namespace tapring::pretend {

/// Closes the ports of processes that died, and ends their mappings. Under Machine::Lock.
void release_of_dead(Machine& machine);

}  // namespace tapring::pretend
