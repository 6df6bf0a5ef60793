// SPDX-License-Identifier: MIT
// Simulated worker processes, as one control process has them: what spawned_workers does with real
// ones.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/vbd/worker_processes.h"
#include "tests/sim/message_deaths.h"
#include "tests/sim/process_table.h"

namespace tapring::sim {

class SimWorkerProcesses final : public WorkerProcesses {
 public:
  /// `die` kills the control process. All outlive this.
  SimWorkerProcesses(SimWorld& world, SimProcessTable& table, SimMessageDeaths& deaths,
                     std::function<void()> die)
      : world_(world), table_(table), deaths_(deaths), die_(std::move(die)) {}

  std::unique_ptr<WorkerProcess> start(const std::string& name, Callbacks callbacks) override;
  std::vector<std::string> left() const override { return table_.names(); }

  /// The control process is killed: its connections end, and nothing is told any more.
  void die();

 private:
  class Spawned;
  class Handle;

  SimWorld& world_;
  SimProcessTable& table_;
  SimMessageDeaths& deaths_;
  const std::function<void()> die_;
  std::vector<std::weak_ptr<Spawned>> spawned_;
  bool dead_ = false;
};

}  // namespace tapring::sim
