// SPDX-License-Identifier: MIT
// Where the journals of rings are kept for the next tapringd: an interface, for any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "ring/journal.h"
#include "ring/unique_fd.h"

namespace tapring {

class JournalStore {
 public:
  virtual ~JournalStore() = default;

  /// The file of a queue's journal, for SharedMemory of that size: as it was left; zeros if there
  /// was none. `disk`: a name that no other disk has now. Throws std::system_error that says what
  /// to do.
  virtual UniqueFd open(const std::string& disk, uint32_t queue, std::size_t bytes) = 0;

  /// For tests.
  virtual JournalObserver* observer() noexcept { return nullptr; }

  /// Removes the journals of all queues of a disk that has ended.
  virtual void remove(const std::string& disk) noexcept = 0;

  /// The disks that have a journal here.
  virtual std::set<std::string> disks() const = 0;
};

}  // namespace tapring
