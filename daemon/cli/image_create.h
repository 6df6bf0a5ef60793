// SPDX-License-Identifier: MIT
// What `tapring image create` does.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "formats/create_options.h"

namespace tapring {

/// Makes the image, or leaves nothing, also where a signal ends the process: see UnfinishedFile.
/// Shows on `terminal`, if there is one, how far it is. Returns what may not be as it was meant.
/// Throws FileInUse, and std::runtime_error that says what is wrong with the options.
std::vector<std::string> create_image(const CreateOptions& options, std::ostream* terminal);

}  // namespace tapring
