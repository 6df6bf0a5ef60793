// SPDX-License-Identifier: MIT
// The `tapring` command: asks the daemon over its control socket and shows the answer.
#pragma once

#include <iosfwd>
#include <span>

namespace tapring {

/// Where the command writes.
struct CtlWorld {
  std::ostream& out;
  std::ostream& err;
  bool colours = false;
  std::ostream* terminal = nullptr;  ///< where to show progress, if somebody looks
};

/// Runs `tapring ARGUMENTS...` (without the program's name). The exit code: 1 if the daemon
/// refuses, such as for a disk that there is not; 2 for wrong usage or if no daemon answers; for
/// those of `tapring image` see ctl_image.h.
int run_ctl(std::span<const char* const> arguments, const CtlWorld& world);

}  // namespace tapring
