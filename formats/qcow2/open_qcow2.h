// SPDX-License-Identifier: MIT
// The driver `qcow2`: images of QEMU's format, versions 2 and 3, with the files they name.
#pragma once

#include <memory>

#include "formats/image.h"

namespace tapring {

/// `path`@SNAPSHOT, where there is no file of that whole name, is an internal snapshot by its id or
/// name, read-only. The files of an image are used past the page cache where the storage takes
/// that.
std::unique_ptr<OpenImage> open_qcow2(const ImageOptions& options);

}  // namespace tapring
