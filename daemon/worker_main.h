// SPDX-License-Identifier: MIT
// A worker process: serves the disks of some guests for the control process, and has nothing of
// this host but what that hands it, the images, and the devices of Xen.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/config/options.h"

namespace tapring {

/// What a worker process was started for.
struct WorkerStart {
  std::string config;  ///< a file that keep_for_next_start() wrote
  std::string name;
};

/// The arguments of a worker process, with the program's name and without the worker's, which
/// follows.
std::vector<std::string> worker_arguments(const Options& options);

/// nullopt if the process is no worker.
std::optional<WorkerStart> worker_of_arguments(std::span<char* const> arguments);

/// Serves until it is told to stop; the exit code.
int worker_main(const WorkerStart& start);

}  // namespace tapring
