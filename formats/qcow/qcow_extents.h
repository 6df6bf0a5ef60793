// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "formats/extent.h"
#include "ring/open_file.h"

namespace tapring::qcow {

/// Of a qcow image. Blocks. Throws std::system_error.
std::unique_ptr<ExtentReader> read_extents(OpenFile file);

}  // namespace tapring::qcow
