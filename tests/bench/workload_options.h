// SPDX-License-Identifier: MIT
// A workload as the command lines of the programs that measure state it.
#pragma once

#include <CLI/CLI.hpp>

#include "tests/bench/workload.h"

namespace tapring::bench {

/// Those of one queue. The workload outlives the parsing.
void add_workload_options(CLI::App& app, Workload& workload);

}  // namespace tapring::bench
