// SPDX-License-Identifier: MIT
// Files of an image while it is being opened: this blocks.
#pragma once

#include <cstdint>
#include <string>

#include "formats/clusters/aligned_bytes.h"
#include "formats/image.h"
#include "ring/open_file.h"

namespace tapring {

/// Opens `path` as `options` say of their image, past the page cache where that can be. Throws
/// std::system_error.
OpenFile open_host_file(const ImageOptions& options, const std::string& path);

/// Makes the file longer where it ends within a sector, if that can be.
void fill_last_sector(OpenFile& file) noexcept;

/// What lies past the end of the file reads as zeros. Throws std::system_error.
AlignedBytes read_bytes(const OpenFile& file, uint64_t offset, std::size_t bytes);

/// What the storage holds of the file, without its holes.
uint64_t allocated_bytes(const OpenFile& file) noexcept;

/// False where the range is a hole of the file, or past its end, and so reads as zeros.
bool may_have_data(const OpenFile& file, uint64_t offset, uint64_t bytes) noexcept;

}  // namespace tapring
