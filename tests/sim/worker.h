// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "daemon/datapath/worker.h"
#include "tests/sim/event_channel.h"
#include "tests/sim/grants.h"
#include "tests/sim/loop.h"
#include "tests/sim/place.h"

namespace tapring::sim {

/// A worker thread of a process that serves disks.
struct SimWorker {
  static constexpr std::size_t kArenaBytes = std::size_t{4} << 20U;

  explicit SimWorker(const SimPlace& place)
      : loop(place.world, place.storage),
        grants(place.machine, place.own_domain),
        events(loop, place.machine, place.own_domain),
        worker(loop, grants, events, kArenaBytes) {}

  void die() {
    loop.die();
    grants.die();
    events.die();
  }

  SimLoop loop;
  SimGrants grants;
  SimEventChannel events;
  Worker worker;
};

}  // namespace tapring::sim
