// SPDX-License-Identifier: MIT
// An image whose bytes are the disk's: the drivers `raw`, through the page cache, and `aio`, past
// it. Regular files and block devices.
#pragma once

#include <memory>

#include "formats/image.h"

namespace tapring {

std::unique_ptr<OpenImage> open_raw(const ImageOptions& options);

/// Uses the page cache after all where the storage refuses 512-byte O_DIRECT; a notice says why.
std::unique_ptr<OpenImage> open_aio(const ImageOptions& options);

}  // namespace tapring
