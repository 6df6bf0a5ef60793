// SPDX-License-Identifier: MIT
#pragma once

#include "formats/image_description.h"
#include "ring/open_file.h"

namespace tapring::qcow {

/// What a qcow image says of itself, also an encrypted one. Reads no map. Throws std::system_error
/// where the file is no such image.
ImageDescription describe(const OpenFile& file);

}  // namespace tapring::qcow
