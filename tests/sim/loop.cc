// SPDX-License-Identifier: MIT
#include "tests/sim/loop.h"

#include <algorithm>
#include <utility>

#include "ring/aligned_file.h"
#include "tests/sim/file.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""us;
constexpr Latency kToNextTurn{1us, 60us};
constexpr double kBusyPoll = 0.2;

}  // namespace

std::unique_ptr<File> SimLoop::file(OpenFile file) {
  const uint32_t block_bytes = storage_.behaviour(file.path).block_bytes;
  file.dio_align = std::max(file.dio_align, block_bytes);
  const uint32_t direct = file.dio_align;
  return align_file(*this, std::make_unique<SimFile>(*this, storage_, std::move(file)), direct);
}

void SimLoop::wake_after(Clock::duration time) {
  const Time due = world_.now() + time;
  if (alarm_ && *alarm_ <= due) return;
  alarm_ = due;
  world_.after(time, [this, alive = std::weak_ptr(alive_), due] {
    if (alive.expired() || alarm_ != due) return;
    alarm_.reset();
    schedule_turn();
  });
}

void SimLoop::die() {
  dead_ = true;
  for (SimFile* file : files_) file->die();
}

void SimLoop::complete(Work work) {
  completions_.push_back(std::move(work));
  schedule_turn();
}

void SimLoop::wait(bool /*may_block*/) {
  begin_turn();
  for (Work& work : std::exchange(completions_, {})) work();
}

void SimLoop::schedule_turn() {
  if (stalled_ || std::exchange(turn_scheduled_, true)) return;
  world_.after(kToNextTurn, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    turn_scheduled_ = false;
    if (stalled_) return;
    ++turns_;
    turn(false);
    // In production the loop busy-polls for a time before it sleeps; here, now and then.
    if ((is_polling() && world_.random().chance(kBusyPoll)) || !arm_all()) schedule_turn();
  });
}

}  // namespace tapring::sim
