// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "ring/loop.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring::sim {

class SimFile;

/// A worker's loop that takes its turns in simulated time; never call run(). Work that is given
/// from outside of a turn must be posted.
class SimLoop final : public Loop {
 public:
  SimLoop(SimWorld& world, SimStorage& storage) noexcept : world_(world), storage_(storage) {}

  std::unique_ptr<File> file(OpenFile file) override;
  void wake_after(Clock::duration time) override;

  /// Something this loop waits for is there: `work` runs in the next turn, together with what
  /// else has come by then.
  void complete(Work work);

  /// The process is killed: what its writes under way have done by now stays, and nothing it does
  /// from now on has an effect on a file.
  void die();

  /// Its thread hears of nothing that completes, until go_on().
  void stall() noexcept { stalled_ = true; }
  void go_on() {
    stalled_ = false;
    schedule_turn();
  }

  SimWorld& world() noexcept { return world_; }
  uint64_t turns() const noexcept { return turns_; }

 protected:
  void wait(bool may_block) override;
  void wake() override { schedule_turn(); }
  Clock::time_point now() const override { return Clock::time_point(world_.now()); }

 private:
  friend class SimFile;

  void schedule_turn();

  SimWorld& world_;
  SimStorage& storage_;
  std::deque<Work> completions_;
  std::vector<SimFile*> files_;
  bool dead_ = false;
  bool stalled_ = false;
  bool turn_scheduled_ = false;
  std::optional<Time> alarm_;  ///< when the next one is due
  uint64_t turns_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tapring::sim
