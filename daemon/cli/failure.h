// SPDX-License-Identifier: MIT
// How the command says what is wrong.
#pragma once

#include <exception>
#include <ostream>
#include <string>
#include <string_view>

#include "daemon/cli/cli.h"

namespace tapring {

/// What an error says. Where an image is refused, which is EINVAL and a reason, only the reason.
std::string reason_of(const std::exception& error);

/// On a line of its own, under the command's name.
void print_problem(std::ostream& err, std::string_view problem);

/// Likewise, and with `json` the answer that it could not be done.
void print_failure(const Streams& streams, bool json, std::string_view reason);

}  // namespace tapring
