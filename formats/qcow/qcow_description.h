// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/qcow/qcow_header.h"
#include "ring/open_file.h"

namespace tapring::qcow {

/// What an image says of itself.
struct Description {
  Header header;
  std::optional<std::string> backing_name;
  std::vector<std::string> troubles;  ///< why it cannot be served
};

/// Reads no map. Throws std::system_error where the file is no image that is known here.
Description describe(const OpenFile& file);

}  // namespace tapring::qcow
