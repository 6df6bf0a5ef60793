// SPDX-License-Identifier: MIT
// sim_explore: random scenarios in the simulated world, as many as asked for. A seed that fails
// is printed with the command that replays it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/sim/exploration.h"
#include "tests/sim/random_scenario.h"
#include "tests/sim/seed_runner.h"

namespace tapring::sim {
namespace {

struct Options {
  uint64_t seeds = 200;
  uint64_t first = 1;
  uint64_t seed = 0;  ///< the only one; 0: many
  bool log = false;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
};

std::string explore(uint64_t seed, const Exploration::Log& log) {
  std::string reasons;
  for (const std::string& fault : Exploration(random_scenario(seed), log).run()) {
    reasons += (reasons.empty() ? "" : "; ") + fault;
  }
  return reasons;
}

int replay(const Options& options) {
  if (options.log) ::setenv("TAPRING_LOG", "1", 1);
  Exploration::Log log;
  if (options.log) ::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (options.log) log = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
  const std::string reasons = explore(options.seed, log);
  std::printf("seed %lu %s%s\n", options.seed,
              reasons.empty() ? "passed" : "FAILED: ", reasons.c_str());
  return reasons.empty() ? 0 : 1;
}

int explore_many(const Options& options, const char* program) {
  uint64_t passed = 0;
  uint64_t failed = 0;
  const bool on_terminal = ::isatty(STDOUT_FILENO) == 1;
  SeedRunner runner(options.jobs, [](uint64_t seed) { return explore(seed, {}); });
  runner.run(options.first, options.seeds, [&](uint64_t seed, const std::string& reason) {
    ++(reason.empty() ? passed : failed);
    if (!reason.empty()) {
      std::printf("seed %lu FAILED: %s\n  %s --seed %lu --log\n", seed, reason.c_str(), program,
                  seed);
    }
    if (on_terminal) std::printf("%lu of %lu\r", passed + failed, options.seeds);
    std::fflush(stdout);
  });
  std::printf("%lu passed, %lu failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tapring::sim

int main(int argc, char** argv) {
  tapring::sim::Options options;
  CLI::App app("Random scenarios in the simulated world: disks, guests and faults by a seed.");
  app.add_option("--seeds", options.seeds, "run so many seeds")->capture_default_str();
  app.add_option("--first", options.first, "begin with this one")->capture_default_str();
  app.add_option("--jobs", options.jobs, "processes at once")->capture_default_str();
  const auto* seed = app.add_option("--seed", options.seed, "run only this seed, in this process");
  app.add_flag("--log", options.log, "with --seed: say what happens");
  CLI11_PARSE(app, argc, argv);
  return seed->count() > 0 ? tapring::sim::replay(options)
                           : tapring::sim::explore_many(options, argv[0]);
}
