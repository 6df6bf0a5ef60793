// SPDX-License-Identifier: MIT
// Files of an image while it is being opened: this blocks.
#pragma once

#include <cstdint>
#include <string>

#include "formats/clusters/aligned_bytes.h"
#include "formats/image.h"
#include "ring/open_file.h"

namespace tapring {

/// Opens `path` as `options` ask for their image, with O_DIRECT where possible. Throws
/// std::system_error.
OpenFile open_host_file(const ImageOptions& options, const std::string& path);

/// Lengthens a file that ends within a sector to the end of that sector, if possible.
void fill_last_sector(OpenFile& file) noexcept;

/// What lies past the end of the file reads as zeros. Throws std::system_error.
AlignedBytes read_bytes(const OpenFile& file, uint64_t offset, std::size_t bytes);

/// How many bytes of the storage the file takes: its size without its holes.
uint64_t allocated_bytes(const OpenFile& file) noexcept;

/// False where the range is a hole of the file, or past its end, and so reads as zeros.
bool may_have_data(const OpenFile& file, uint64_t offset, uint64_t bytes) noexcept;

}  // namespace tapring
