// SPDX-License-Identifier: MIT
// The files that an image names, and the chain that they make.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "formats/image.h"

namespace tapring {

/// More images on top of each other than this are refused.
constexpr std::size_t kMaxChain = 200;

/// The path of a file that an image names: relative ones begin at the image's own directory.
/// Throws std::system_error for what is no path.
std::string path_named_by(const ImageOptions& options, const std::string& name);

/// An error of a file that the image of `options` names, with the image's path before it, unless
/// others lie above that: whoever reads it knows the image that is attached.
std::system_error error_of_named(const ImageOptions& options, const std::string& what,
                                 const std::system_error& error);

/// Opens the backing file of the image of `options`, which is `namer`, read-only. `format`: as the
/// image states it, by QEMU's names; an image that does not is refused, with the command that
/// states it. Throws std::system_error.
std::unique_ptr<OpenImage> open_backing_file(const ImageOptions& options, const Namer& namer,
                                             const std::string& name,
                                             const std::optional<std::string>& format);

}  // namespace tapring
