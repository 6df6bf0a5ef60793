// SPDX-License-Identifier: MIT
#pragma once

#include "formats/image.h"
#include "ring/open_file.h"

namespace tapring {

/// How a file of an image is opened, and locked, by how the image is. A backing file is one of an
/// image that is read-only. On a file system without locks only reading goes on, and mode w!.
FileOptions image_file(const ImageOptions& options, const std::string& path, Caching caching);

}  // namespace tapring
