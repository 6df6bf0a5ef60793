// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "daemon/vbd/open_disk.h"
#include "tests/sim/storage.h"

namespace tapring::sim {

/// As open_disk(), for an image on this storage: where it takes whole blocks only, the image is not
/// for several loops.
std::unique_ptr<OpenImage> open_sim_image(SimStorage& storage, const OpenRequest& request);

}  // namespace tapring::sim
