// SPDX-License-Identifier: MIT
// How the command says what is wrong.
#pragma once

#include <ostream>
#include <string_view>

#include "daemon/cli/cli.h"

namespace tapring {

/// On a line of its own, under the command's name.
void print_problem(std::ostream& err, std::string_view problem);

/// Likewise, and with `json` the answer that it could not be done.
void print_failure(const Streams& streams, bool json, std::string_view reason);

}  // namespace tapring
