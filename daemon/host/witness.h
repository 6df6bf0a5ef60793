// SPDX-License-Identifier: MIT
#pragma once

#include "ring/error.h"
#include "ring/unique_fd.h"

namespace tapring {

/// The write error that the kernel has recorded for the file of a witness (see WitnessStore), if
/// there is one. May hang as its storage does.
Error ask_witness(const UniqueFd& witness);

}  // namespace tapring
