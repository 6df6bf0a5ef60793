// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace tapring {

/// What a disk line names may be PATH@SELECTOR. What the selector means is for the format.
struct ImageName {
  std::string path;
  std::string selector;  ///< empty: there is none
};

/// Splits at the last @, unless there is a file of the whole name.
ImageName split_image_name(const std::string& name);

/// Splits behind the longest path of a file, so that the selector may hold @ too. Where there is no
/// such file, as split_image_name().
ImageName split_after_file(const std::string& name);

}  // namespace tapring
