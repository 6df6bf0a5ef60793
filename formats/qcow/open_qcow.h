// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "formats/image.h"

namespace tapring {

/// An image of the format qcow, version 1, as QEMU or blktap made it. `PATH@FORMAT` states the
/// format of its backing file, for which it has no field; `PATH@FORMAT@FORMAT` also that of the
/// next one, if the first is a qcow image too. Throws std::system_error.
std::unique_ptr<OpenImage> open_qcow(const ImageOptions& options);

}  // namespace tapring
