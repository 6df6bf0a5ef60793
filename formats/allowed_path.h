// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace tapring {

/// Where the file of this path really is must be under one of `directories`, which its links may
/// not lead out of; none means anywhere. Throws std::system_error that names the file.
void check_allowed_path(const std::string& path, const std::vector<std::string>& directories);

}  // namespace tapring
