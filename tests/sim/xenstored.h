// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>

#include "tests/sim/executor.h"
#include "tests/sim/machine.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstore.h"

namespace tapring::sim {

/// The service as one of its clients meets it: it takes connections, or is away for a while. All
/// other clients have theirs all the time.
class SimXenstored {
 public:
  SimXenstored(SimWorld& world, SimMachine& machine, SimStore& store) noexcept
      : world_(world), machine_(machine), store_(store) {}
  SimXenstored(const SimXenstored&) = delete;
  SimXenstored& operator=(const SimXenstored&) = delete;

  /// Throws XenstoreLost while it is away. go_away() is about the newest connection.
  std::unique_ptr<SimXenstore> connect(SimExecutor& thread, DomainId domain);

  /// The connection is lost, and no other made for so long.
  void go_away(Time time);

  /// Likewise, but with one of the next calls, the one of this number from 1, or soon.
  void go_away_at(uint64_t call, Time time);

  /// From now on it takes connections, however long it was to be away.
  void come_back() noexcept { back_ = world_.now(); }

  bool away() const noexcept { return world_.now() < back_; }

 private:
  void lose_newest();

  SimWorld& world_;
  SimMachine& machine_;
  SimStore& store_;
  SimXenstore* newest_ = nullptr;
  std::weak_ptr<const bool> newest_life_;
  Time back_{0};
};

}  // namespace tapring::sim
