// SPDX-License-Identifier: MIT
#pragma once

#include "formats/qcow2/offline/extents.h"
#include "ring/open_file.h"

namespace tapring::qcow {

/// Of a qcow image. Blocks. Throws std::system_error.
qcow2::Extents read_extents(OpenFile file);

}  // namespace tapring::qcow
