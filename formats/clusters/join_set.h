// SPDX-License-Identifier: MIT
#pragma once

#include <utility>
#include <vector>

#include "ring/error.h"
#include "ring/task.h"

namespace tapring {

inline void keep_first(Error& first, Error next) noexcept {
  if (!first) first = next;
}

/// Tasks that run at the same time and are awaited one by one, in the order in which they were
/// added.
class JoinSet {
 public:
  static constexpr std::size_t kMost = 64;

  /// Reserves memory for `most` tasks first, so that none can begin and then not be kept.
  explicit JoinSet(std::size_t most = kMost) { tasks_.reserve(most); }

  bool full() const noexcept { return tasks_.size() >= kMost; }
  void add(Task<Error> part) { tasks_.push_back(std::move(part)); }

  /// Whether all have been awaited, as they must be before this is destroyed.
  bool empty() const noexcept { return tasks_.empty(); }

  /// The next task to await.
  Task<Error> join_next() {
    Task<Error> part = std::move(tasks_[next_++]);
    if (next_ == tasks_.size()) {
      tasks_.clear();
      next_ = 0;
    }
    return part;
  }

 private:
  std::vector<Task<Error>> tasks_;
  std::size_t next_ = 0;
};

}  // namespace tapring
