// SPDX-License-Identifier: MIT
// The table of drivers. The format of an image is stated by whoever attaches it and never guessed
// from its bytes: a guest can write any bytes it likes.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "formats/extent.h"
#include "formats/image.h"
#include "formats/image_description.h"
#include "ring/open_file.h"

namespace tapring {

struct Format {
  std::string_view name;  ///< as disk lines spell it
  /// Opens the image and checks its metadata. May block as long as the storage does. Throws
  /// FileInUse, or std::system_error that names the file and what to do.
  std::unique_ptr<OpenImage> (*open)(const ImageOptions& options);

  // For tools, on a file that is only read. They block, and throw std::system_error.
  ImageDescription (*describe)(const OpenFile& file);
  std::unique_ptr<ExtentReader> (*extents)(OpenFile file);
};

std::span<const Format> all_formats() noexcept;

/// nullptr if there is no driver of that name.
const Format* find_format(std::string_view name) noexcept;

}  // namespace tapring
