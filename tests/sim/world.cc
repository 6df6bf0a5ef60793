// SPDX-License-Identifier: MIT
#include "tests/sim/world.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

namespace tapring::sim {
namespace {

constexpr uint64_t kMostSteps = 20'000'000;
constexpr uint64_t kMostStepsAtOnce = 100'000;  ///< without time passing

}  // namespace

bool SimWorld::later(const Event& a, const Event& b) noexcept {
  return std::tie(a.time, a.order, a.number) > std::tie(b.time, b.order, b.number);
}

void SimWorld::after(Time delay, Work work) {
  events_.push_back({now_ + delay, random_.next(), events_made_++, std::move(work)});
  std::push_heap(events_.begin(), events_.end(), later);
}

Time SimWorld::pick(Latency latency) noexcept {
  return Time(random_.between(static_cast<uint64_t>(latency.least.count()),
                              static_cast<uint64_t>(latency.most.count())));
}

bool SimWorld::step() {
  if (events_.empty()) return false;
  std::pop_heap(events_.begin(), events_.end(), later);
  Event event = std::move(events_.back());
  events_.pop_back();
  now_ = event.time;
  event.work();
  return true;
}

bool SimWorld::run_until(const std::function<bool()>& done, Time limit) {
  const Time end = now_ + limit;
  uint64_t steps_at_once = 0;
  for (uint64_t steps = 0; steps < kMostSteps && steps_at_once < kMostStepsAtOnce; ++steps) {
    if (done()) return true;
    if (events_.empty()) return false;
    if (events_.front().time > end) {
      now_ = end;
      return false;
    }
    const Time before = now_;
    step();
    steps_at_once = now_ == before ? steps_at_once + 1 : 0;
  }
  throw std::runtime_error("the world spins, seed " + std::to_string(seed_));
}

bool SimWorld::run_until_idle(Time limit) {
  run_until([] { return false; }, limit);
  return events_.empty();
}

void SimWorld::run_for(Time time) {
  const Time end = now_ + time;
  run_until([] { return false; }, time);
  now_ = end;
}

}  // namespace tapring::sim
