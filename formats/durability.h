// SPDX-License-Identifier: MIT
#pragma once

#include "ring/error.h"
#include "ring/file.h"
#include "ring/task.h"

namespace tapring {

/// Whether what was written to a file is durable, as its syncs and its closing say.
class Durability {
 public:
  void note_write() noexcept { written_ = true; }

  /// After the first sync that failed, always lost_write(): the kernel reports a loss only once,
  /// and nothing is certain from then on.
  Task<Error> sync(File& file);

  /// NFS and FUSE write back what the page cache has of a file when it is closed: an error there
  /// may be a lost write.
  Task<Error> close(File& file);

 private:
  bool written_ = false;
  Error lost_;  ///< the first sync that failed
};

}  // namespace tapring
