// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>

#include "daemon/vbd/open_disk.h"
#include "tests/sim/storage.h"

namespace tapring::sim {

/// As open_disk(), for an image on this storage: where it takes whole blocks only, the image is not
/// for several loops.
std::unique_ptr<OpenImage> open_sim_image(SimStorage& storage, const OpenRequest& request);

/// Likewise, with witnesses that another process can take (see make_sim_witness). `opened` is
/// called whenever files of the image were opened; false: the process is dead.
std::unique_ptr<OpenImage> open_sim_image_of(SimStorage& storage, const OpenRequest& request,
                                             const std::function<bool()>& opened);

}  // namespace tapring::sim
