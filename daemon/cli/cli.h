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
  std::ostream* terminal = nullptr;                  ///< where to show progress; null without one
  std::chrono::milliseconds patience = kAnswerTime;  ///< for each answer of the daemon
};

/// Runs `tapring ARGUMENTS...`, where `arguments` lacks the program's name. The exit code is 1 if
/// the command fails, for example because the disk does not exist or `streams.out` cannot be
/// written; 2 for wrong usage; 3 if no daemon answers; 4 if the daemon did not answer in time and
/// may still do what it was asked. image_command.h has the exit codes of `tapring image`.
int run_cli(std::span<const char* const> arguments, const Streams& streams);

}  // namespace tapring
