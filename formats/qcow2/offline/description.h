// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "formats/image_description.h"
#include "formats/qcow2/bytes/layout.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// What a qcow2 image says of itself, also an encrypted one. Reads no map. Throws std::system_error
/// where the file is no such image.
ImageDescription describe(const OpenFile& file);

/// The part that images of version 1 have as well. `crypt_method`: the header's.
ImageDescription::Clusters describe_clusters(const Layout& layout, uint32_t crypt_method,
                                             std::optional<std::string> backing_file);

}  // namespace tapring::qcow2
