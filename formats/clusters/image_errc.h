// SPDX-License-Identifier: MIT
// What may be wrong with an image that is in use.
#pragma once

#include <system_error>

#include "ring/error.h"

namespace tapring {

enum class ImageErrc {
  invalid_entry = 1,
  compressed_outside,
  compressed_damaged,
  metadata_overlap,
  refcount,
  image_full,
};

std::error_code make_error_code(ImageErrc fault) noexcept;

}  // namespace tapring

template <>
struct std::is_error_code_enum<tapring::ImageErrc> : std::true_type {};
