// SPDX-License-Identifier: MIT
#include "tests/sim/loop.h"

#include <utility>

#include "tests/sim/file.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""us;
constexpr Latency kToNextTurn{1us, 60us};

}  // namespace

std::unique_ptr<File> SimLoop::file(OpenFile file) {
  return std::make_unique<SimFile>(*this, storage_, std::move(file));
}

void SimLoop::complete(Work work) {
  completions_.push_back(std::move(work));
  schedule_turn();
}

void SimLoop::wait(bool /*may_block*/) {
  for (Work& work : std::exchange(completions_, {})) work();
}

void SimLoop::schedule_turn() {
  if (std::exchange(turn_scheduled_, true)) return;
  world_.after(kToNextTurn, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    turn_scheduled_ = false;
    ++turns_;
    turn(false);
  });
}

}  // namespace tapring::sim
