// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "tests/sim/scenario.h"

namespace tapring::sim {

/// Everything follows from the seed.
Scenario random_scenario(uint64_t seed);

}  // namespace tapring::sim
