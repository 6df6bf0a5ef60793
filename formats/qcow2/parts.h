// SPDX-License-Identifier: MIT
#pragma once

#include <utility>
#include <vector>

#include "ring/error.h"
#include "ring/task.h"

namespace tapring::qcow2 {

/// The parts of a request, all under way at once.
class Parts {
 public:
  static constexpr std::size_t kMost = 64;

  bool full() const noexcept { return tasks_.size() >= kMost; }
  void add(Task<Error> part) { tasks_.push_back(std::move(part)); }

  /// Waits for all that were added; their first error. Before this is destroyed.
  Task<Error> done() {
    Error first;
    for (Task<Error>& task : tasks_) {
      const Error error = co_await task;
      if (!first) first = error;
    }
    tasks_.clear();
    co_return first;
  }

 private:
  std::vector<Task<Error>> tasks_;
};

}  // namespace tapring::qcow2
