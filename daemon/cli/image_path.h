// SPDX-License-Identifier: MIT
// A path of an image as it is typed, by people who know disk lines and qemu-img as well.
#pragma once

#include <string>

#include "ring/open_file.h"

namespace tapring {

/// Throws std::runtime_error where this is no path alone but FORMAT:PATH or PATH@SNAPSHOT, as disk
/// lines have it.
void check_is_path(const std::string& typed);

/// Opens the file for reading, without its lock. Throws std::system_error that says what to do.
OpenFile open_to_look(const std::string& path);

}  // namespace tapring
