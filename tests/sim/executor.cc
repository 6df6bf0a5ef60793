// SPDX-License-Identifier: MIT
#include "tests/sim/executor.h"

#include <utility>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""us;
constexpr Latency kToNextWork{1us, 20us};

}  // namespace

void SimExecutor::post(Work work) {
  queue_.push_back(std::move(work));
  if (!scheduled_) schedule();
}

void SimExecutor::after(std::chrono::milliseconds delay, Work work) {
  world_.after(delay, [this, alive = std::weak_ptr(alive_), work = std::move(work)]() mutable {
    if (!alive.expired()) post(std::move(work));
  });
}

void SimExecutor::schedule() {
  scheduled_ = true;
  world_.after(kToNextWork, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    scheduled_ = false;
    if (working_) return schedule();
    Work work = std::move(queue_.front());
    queue_.pop_front();
    if (!queue_.empty()) schedule();
    working_ = true;
    work();
    if (!alive.expired()) working_ = false;
  });
}

}  // namespace tapring::sim
