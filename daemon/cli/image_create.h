// SPDX-License-Identifier: MIT
// What `tapring image create` does.
#pragma once

#include <iosfwd>

#include "formats/create_options.h"

namespace tapring {

/// Makes the image, or leaves nothing, also where a signal ends the process: see UnfinishedFile.
/// Shows on `terminal`, if there is one, how far it is. Throws FileInUse, and std::runtime_error
/// that says what is wrong with the options.
void create_image(const CreateOptions& options, std::ostream* terminal);

}  // namespace tapring
