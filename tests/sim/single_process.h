// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "daemon/vbd/server.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "tests/sim/aside.h"
#include "tests/sim/daemon.h"
#include "tests/sim/executor.h"
#include "tests/sim/journals.h"
#include "tests/sim/place.h"
#include "tests/sim/witnesses.h"
#include "tests/sim/worker.h"
#include "tests/sim/xenstored.h"

namespace tapring::sim {

/// A daemon that does everything in one process.
class SimSingleProcess final : public SimDaemon {
 public:
  /// `by_worker`: with what a control process lets it have of xenstore.
  SimSingleProcess(const SimPlace& place, SimWitnesses& witnesses, bool by_worker);
  ~SimSingleProcess() override;

  void configure() override { server_->configure(settings()); }
  void check_sizes() override { server_->check_sizes(); }
  void check_guests() override { server_->check_guests(); }
  void shut_down() override { server_->shut_down(); }
  bool idle() const override { return server_->idle(); }
  void die() override;
  std::size_t bound() const override;

  std::vector<DiskReport> report() const override { return server_->report(); }
  std::vector<std::string> problems() const override { return server_->problems(); }
  std::string resume(const VbdName& disk) override { return server_->resume(disk); }
  std::string set_policy(const VbdName& disk, const PolicyWords& words) override {
    return server_->set_policy(disk, words);
  }
  std::string adopt(const VbdName& disk) override { return server_->adopt(disk); }
  std::string release(const VbdName& disk) override { return server_->release(disk); }

 private:
  std::unique_ptr<XenstoreConnection> connect();
  ServerSettings settings() const;

  const SimPlace& place_;
  const bool by_worker_;
  Aside background_;
  SimJournalStore journals_;
  SimWitnessStore witnesses_;
  std::unique_ptr<SimExecutor> control_;
  bool dead_ = false;
  SimXenstore* connection_ = nullptr;  ///< the newest
  std::weak_ptr<const bool> connection_life_;
  ReconnectingXenstore xenstore_;
  std::deque<SimWorker> workers_;
  std::unique_ptr<Server> server_;
};

}  // namespace tapring::sim
