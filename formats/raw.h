// SPDX-License-Identifier: MIT
// An image whose bytes are the disk's: the drivers `raw`, through the page cache, and `aio`, past
// it. Regular files and block devices.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "formats/create_options.h"
#include "formats/extent.h"
#include "formats/image.h"
#include "formats/image_description.h"
#include "ring/open_file.h"

namespace tapring {

std::unique_ptr<OpenImage> open_raw(const ImageOptions& options);

/// Uses the page cache after all where the storage refuses 512-byte O_DIRECT; a notice says why.
std::unique_ptr<OpenImage> open_aio(const ImageOptions& options);

/// It has no more to say than its size.
ImageDescription describe_raw(const OpenFile& file);

/// A raw image has only a size.
std::optional<std::string> why_not_raw(const CreateOptions& options);

/// Makes the file as long as the disk. Throws std::system_error.
void create_raw(OpenFile& file, const CreateOptions& options, const CreateProgress& progress);

/// The holes of the file are zeros, all else is data.
std::unique_ptr<ExtentReader> read_raw_extents(OpenFile file);

}  // namespace tapring
