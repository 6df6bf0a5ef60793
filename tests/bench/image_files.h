// SPDX-License-Identifier: MIT
// The image files of a benchmark: bench-0.img, bench-1.img and so on in one directory.
#pragma once

#include <cstdint>
#include <filesystem>

namespace tapring::bench {

/// Path of an image of that size, made if it is not there; written through, so that nobody reads
/// holes. Throws std::system_error that names it.
std::filesystem::path image_file(const std::filesystem::path& directory, uint32_t number,
                                 uint32_t mebibytes);

}  // namespace tapring::bench
