// SPDX-License-Identifier: MIT
// The table of drivers. The format of an image is stated by whoever attaches it and never guessed
// from its bytes: a guest can write any bytes it likes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/create_options.h"
#include "formats/extent.h"
#include "formats/image.h"
#include "formats/image_check.h"
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

  // On a file that nobody else uses; nullptr where the format has nothing to check. They block, and
  // throw std::system_error.
  ImageCheck (*check)(const OpenFile& file, const CheckOptions& options) = nullptr;
  ImageCheck (*repair)(OpenFile& file, Repair repair, const CheckOptions& options) = nullptr;

  /// Why there can be no image of these options, whose size is known, or none that is served here;
  /// nullopt if there can be. nullptr where images of the format are not made here.
  std::optional<std::string> (*why_not)(const CreateOptions& options) = nullptr;
  /// Makes the empty file such an image. why_not() is asked before. Throws std::system_error.
  void (*create)(OpenFile& file, const CreateOptions& options,
                 const CreateProgress& progress) = nullptr;
};

std::span<const Format> all_formats() noexcept;

/// nullptr if there is no driver of that name.
const Format* find_format(std::string_view name) noexcept;

/// Why there is no driver of that name: which there are.
std::string no_driver_for(std::string_view name);

}  // namespace tapring
