// SPDX-License-Identifier: MIT
// The `tapring` command: asks the daemon over its control socket and shows the answer.
#pragma once

#include <chrono>
#include <iosfwd>
#include <span>

#include "daemon/cli/client.h"

namespace tapring {

/// Where the command writes.
struct Streams {
  std::ostream& out;
  std::ostream& err;
  bool colours = false;
  std::ostream* terminal = nullptr;                  ///< where to show progress, if somebody looks
  std::chrono::milliseconds patience = kAnswerTime;  ///< for each answer of the daemon
};

/// Runs `tapring ARGUMENTS...` (without the program's name). The exit code is 1 if it cannot be
/// done, such as for a disk that there is not, or if `streams.out` does not take what it prints; 2
/// for wrong usage; 3 if no daemon answers; 4 if one has not answered in time, and may still do
/// what it was asked. For those of `tapring image` see image_command.h.
int run_cli(std::span<const char* const> arguments, const Streams& streams);

}  // namespace tapring
