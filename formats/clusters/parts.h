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

/// The parts of a request, all under way at once.
class Parts {
 public:
  static constexpr std::size_t kMost = 64;

  /// Room for `most`, so that none is under way for which there is no memory.
  explicit Parts(std::size_t most = kMost) { tasks_.reserve(most); }

  bool full() const noexcept { return tasks_.size() >= kMost; }
  void add(Task<Error> part) { tasks_.push_back(std::move(part)); }

  /// Whether any is still to be awaited. All are, before this is destroyed.
  bool under_way() const noexcept { return !tasks_.empty(); }

  /// The next to await.
  Task<Error> next() {
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
