// SPDX-License-Identifier: MIT
// Witnesses of lost writes, kept for the next tapringd: the port.
//
// The kernel reports a write that it could not write back once to each open file description
// (Linux, lib/errseq.c). If the process is killed while it is being told, nobody has heard of it,
// and what its successor opens is told only of what no description was told of before. So each file
// that a disk is written to is opened once more before the first write. That description is not
// used for anything, outlives the process elsewhere, and tells the next one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ring/error.h"
#include "ring/unique_fd.h"

namespace tapring {

/// For any thread. `disk`: a name that no other disk has.
class WitnessStore {
 public:
  virtual ~WitnessStore() = default;

  /// Keeps the witnesses of a disk of which there are none. Where that is not possible, none are.
  virtual void keep(const std::string& disk, std::vector<UniqueFd> witnesses) = 0;

  /// Whether writes of an earlier process were lost: the error that tells of it. nullopt where
  /// nothing is kept. The same answer each time, until remove().
  virtual std::optional<Error> ask(const std::string& disk) = 0;

  /// Closes what is kept of the disk: its storage is free when this returns. Blocks, but not for
  /// long.
  virtual void remove(const std::string& disk) = 0;

  /// Whether there is something to remove().
  virtual bool keeps(const std::string& disk) const = 0;

  /// Those of which something is kept.
  virtual std::vector<std::string> disks() const = 0;
};

}  // namespace tapring
