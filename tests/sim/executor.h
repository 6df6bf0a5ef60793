// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <deque>
#include <memory>

#include "daemon/host/work.h"
#include "ring/executor.h"
#include "tests/sim/world.h"

namespace tapring::sim {

/// A thread that does nothing but what it is handed, one piece of work at a time, in order: the
/// daemon's control thread, a guest's kernel. While its work waits for something, and so has the
/// world go on, the rest waits too. Work it still has when destroyed is dropped.
class SimExecutor final : public Executor, public Timer {
 public:
  explicit SimExecutor(SimWorld& world) noexcept : world_(world) {}
  SimExecutor(const SimExecutor&) = delete;
  SimExecutor& operator=(const SimExecutor&) = delete;

  void post(Work work) override;
  std::chrono::milliseconds now() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(world_.now());
  }
  void after(std::chrono::milliseconds delay, Work work) override;

 private:
  void schedule();

  SimWorld& world_;
  std::deque<Work> queue_;
  bool scheduled_ = false;
  bool working_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tapring::sim
