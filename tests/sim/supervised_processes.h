// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/control/worker_answers.h"
#include "daemon/host/witness_keeper.h"
#include "daemon/vbd/supervisor.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "tests/sim/aside.h"
#include "tests/sim/daemon.h"
#include "tests/sim/executor.h"
#include "tests/sim/journals.h"
#include "tests/sim/place.h"
#include "tests/sim/process_table.h"
#include "tests/sim/service_store.h"
#include "tests/sim/worker_processes.h"

namespace tapring::sim {

/// A daemon of a control process and its workers, which may be those that an earlier one has left.
class SimSupervisedProcesses final : public SimDaemon {
 public:
  struct Settings {
    Isolation isolation = Isolation::guest;
    std::function<void()> die;  ///< kills the control process, in the right place
  };

  /// All outlive this.
  SimSupervisedProcesses(const SimPlace& place, SimProcessTable& table, SimMessageDeaths& deaths,
                         SimStoredDescriptors& stored, const Settings& settings);
  ~SimSupervisedProcesses() override;

  /// Adopts the workers that are there, and serves.
  void start() { supervisor_.start([] {}); }

  /// As the control socket does: `done` gets the answer.
  void ask(const std::string& request, std::function<void(std::string)> done) {
    answers_.answer(request, std::move(done));
  }

  /// The control process is killed, and its workers are left.
  void die_alone();

  void configure() override;
  void check_sizes() override;
  void check_guests() override;
  void shut_down() override { supervisor_.shut_down(); }
  bool idle() const override { return dead_ || supervisor_.idle(); }
  void die() override;
  std::size_t bound() const override;

  // Of its workers, as each would say.
  std::vector<DiskReport> report() const override;
  std::vector<std::string> problems() const override;
  std::string resume(const VbdName& disk) override;
  std::string set_policy(const VbdName& disk, const PolicyWords& words) override;
  std::string adopt(const VbdName& disk) override;
  std::string release(const VbdName& disk) override;

 private:
  std::unique_ptr<XenstoreConnection> connect();
  std::string ask_owner(const VbdName& disk, const std::function<std::string(Server&)>& question);

  const SimPlace& place_;
  SimProcessTable& table_;
  bool dead_ = false;
  Aside background_;
  SimJournalStore journals_;
  SimServiceStore stored_;
  WitnessKeeper witnesses_;
  std::unique_ptr<SimExecutor> control_;
  SimXenstore* connection_ = nullptr;  ///< the newest
  std::weak_ptr<const bool> connection_life_;
  ReconnectingXenstore store_;
  SimWorkerProcesses processes_;
  Supervisor supervisor_;
  WorkerAnswers answers_;
};

}  // namespace tapring::sim
