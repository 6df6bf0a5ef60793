// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ring/unique_fd.h"

namespace tapring::sim {

/// Runs many seeds in processes of its own, so that one that dies or spins costs its seed only.
class SeedRunner {
 public:
  /// What is wrong with a seed; empty if nothing is.
  using Run = std::function<std::string(uint64_t seed)>;
  using Result = std::function<void(uint64_t seed, const std::string& reason)>;

  /// One seed may take so much of real time.
  static constexpr unsigned kSecondsForOne = 120;

  SeedRunner(unsigned processes, Run run) : processes_(processes), run_(std::move(run)) {}

  /// `result` is called once for each of `count` seeds, in any order. Throws std::system_error.
  void run(uint64_t first, uint64_t count, const Result& result);

 private:
  struct Process {
    pid_t id = 0;
    UniqueFd results;
    uint64_t seed = 0;  ///< that it runs now
  };

  void start(Process& process) const;
  [[noreturn]] void run_seeds(uint64_t seed, int results) const;
  bool take_result(Process& process, const Result& result) const;

  unsigned processes_;
  Run run_;
  uint64_t end_ = 0;  ///< the first seed that is not to be run
};

}  // namespace tapring::sim
