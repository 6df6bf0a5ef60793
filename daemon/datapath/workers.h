// SPDX-License-Identifier: MIT
// Which worker a queue goes to. For the control thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "daemon/datapath/worker.h"

namespace tapring {

/// The workers, and how many queues each has.
class Workers {
 public:
  /// Starts the worker of a number. It outlives the Workers.
  using Starter = std::function<Worker&(uint32_t number)>;

  /// `workers`: one or more, which outlive this.
  explicit Workers(std::vector<Worker*> workers)
      : workers_(std::move(workers)), queues_(workers_.size()) {}

  /// `count`, one or more, that are started when a queue needs them.
  Workers(std::size_t count, Starter start)
      : start_(std::move(start)), workers_(count), queues_(count) {}

  std::size_t count() const noexcept { return workers_.size(); }

  /// The number of the worker that has the fewest queues.
  uint32_t least_busy() const {
    return static_cast<uint32_t>(std::ranges::min_element(queues_) - queues_.begin());
  }

  void add_queue(uint32_t number) { ++queues_[number]; }
  void remove_queues(uint32_t number, std::size_t count) { queues_[number] -= count; }

  /// Throws what the starter does.
  Worker& operator[](uint32_t number) {
    Worker*& worker = workers_[number];
    if (worker == nullptr) worker = &start_(number);
    return *worker;
  }

 private:
  Starter start_;
  std::vector<Worker*> workers_;
  std::vector<std::size_t> queues_;
};

}  // namespace tapring
