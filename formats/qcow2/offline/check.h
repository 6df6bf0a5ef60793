// SPDX-License-Identifier: MIT
// Start here: finds what is wrong with an image, and repairs it. Nobody else may use it meanwhile.
#pragma once

#include "formats/image_check.h"
#include "formats/qcow2/offline/file_writer.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// Reads all tables. Throws std::system_error, with the file's name, where that fails or the header
/// is refused.
ImageCheck check_image(const OpenFile& file, const CheckOptions& options);

/// Repairs what it can, then checks again and returns what is still wrong. Once nothing is corrupt
/// any more, and that is durable, it clears the image's dirty and corrupt bits. A power cut
/// meanwhile leaves the image no worse than before. Throws as check_image() does.
ImageCheck repair_image(OpenFile& file, Repair repair, FileWriter& writer,
                        const CheckOptions& options);
ImageCheck repair_image(OpenFile& file, Repair repair, const CheckOptions& options);

}  // namespace tapring::qcow2
