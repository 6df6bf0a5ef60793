// SPDX-License-Identifier: MIT
// What `tapring` ends with, as its manual page says.
#pragma once

namespace tapring {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,  ///< it cannot be done
  kUsage = 2,
  kNoDaemon = 3,
  kNoAnswer = 4,
  kCorruptions = 2,  ///< `image check` found some
  kLeaks = 3,        ///< likewise
};

}  // namespace tapring
