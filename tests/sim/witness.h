// SPDX-License-Identifier: MIT
// Witnesses of lost writes (see WitnessStore) that processes hand each other: a simulated one is a
// file that says of which description it is, and what that was told of last. So all duplicates are
// of one description, as those of a real one are.
#pragma once

#include "ring/error.h"
#include "ring/unique_fd.h"
#include "tests/sim/storage.h"

namespace tapring::sim {

/// `file`: a real witness, which is closed.
UniqueFd make_sim_witness(SimStorage& storage, UniqueFd file);

/// As ask_witness() does.
Error ask_sim_witness(SimStorage& storage, const UniqueFd& witness);

}  // namespace tapring::sim
