// SPDX-License-Identifier: MIT
#include "tests/pretend/cycles.h"

#include <stdexcept>

namespace tapring::pretend {
namespace {

constexpr uint64_t kRequests = 8;  ///< in a cycle

}  // namespace

void run_cycles(GuestWorld& world, const sim::DiskLine& line, const GuestDiskOptions& options,
                uint64_t cycles, Load& load) {
  Toolstack toolstack(world);
  for (uint64_t cycle = 0; cycle < cycles && !world.told_to_stop(); ++cycle) {
    toolstack.attach(line);
    GuestDisk disk(world, line.name, options, load);
    disk.connect();
    load.set_requests((cycle + 1) * kRequests);
    load.start(disk);
    world.wait_for("the cycle's answers", [&] { return load.done(); });
    // The guest lets go by itself, or when it is asked.
    const bool asked = cycle % 2 == 0;
    if (asked) toolstack.begin_detach(line);
    disk.close();
    if (!asked) toolstack.begin_detach(line);
    toolstack.finish_detach(line);
    if (!disk.violations().empty()) throw std::runtime_error(disk.violations().front());
  }
}

}  // namespace tapring::pretend
