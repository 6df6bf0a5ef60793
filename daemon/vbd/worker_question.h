// SPDX-License-Identifier: MIT
// A request that several workers are asked, and what they say.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/xenstore/vbd_name.h"

namespace tapring {

/// What a worker said to a request.
struct WorkerAnswer {
  std::string worker;
  std::string text;  ///< empty if it did not answer in time
  /// Since when it has been silent then, and which disks it has as far as xenstore says.
  std::chrono::system_clock::time_point since{};
  std::vector<VbdName> disks{};
};

struct WorkerQuestion {
  std::size_t awaited = 0;
  std::vector<WorkerAnswer> answers{};
  std::function<void(std::vector<WorkerAnswer>)> then;

  void take(WorkerAnswer answer) {
    answers.push_back(std::move(answer));
    if (--awaited == 0) std::exchange(then, nullptr)(std::move(answers));
  }
};

}  // namespace tapring
