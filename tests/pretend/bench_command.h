// SPDX-License-Identifier: MIT
// `pretend_guest bench`: attaches disks, uses them, and prints what that was like.
#pragma once

#include <CLI/CLI.hpp>

#include "tests/pretend/stream.h"

namespace tapring::pretend {

class BenchCommand {
 public:
  /// Adds the command's own options; the domain is the caller's.
  void add_to(CLI::App& command);

  /// Prints a line when all disks are connected, and one at the end.
  int run(const std::string& machine, DomainId domain);

 private:
  StreamOptions options_;
  bool one_at_a_time_ = false;
  bool pause_ = false;
};

}  // namespace tapring::pretend
