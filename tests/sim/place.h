// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>

#include "daemon/vbd/server.h"
#include "tests/sim/background.h"
#include "tests/sim/blkback.h"
#include "tests/sim/journals.h"
#include "tests/sim/machine.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstored.h"

namespace tapring::sim {

/// What the processes of a daemon find on their simulated host, which outlives them.
struct SimPlace {
  SimWorld& world;
  SimMachine& machine;
  SimStorage& storage;
  SimXenstored& xenstored;
  SimBackground& background;
  SimJournals& journals;
  SimBlkback& kernel;
  DomainId own_domain;
  std::size_t workers;                       ///< threads of each process that serves disks
  std::function<ServerSettings()> settings;  ///< by its configuration, as it is now
};

}  // namespace tapring::sim
