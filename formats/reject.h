// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace tapring {

/// Throws std::system_error with EINVAL: the image at `path` is not served, for this reason.
[[noreturn]] void reject(const std::string& path, const std::string& reason);

}  // namespace tapring
