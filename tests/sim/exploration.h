// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/explored_disk.h"
#include "tests/sim/host.h"
#include "tests/sim/misbehaviour.h"
#include "tests/sim/scenario.h"
#include "tests/sim/state_observer.h"

namespace tapring::sim {

/// Plays a scenario to its end, and then to a good end: storage is mended, hostile guests are
/// destroyed, and every other disk must go through one more life without a fault.
class Exploration {
 public:
  using Log = std::function<void(const std::string&)>;

  explicit Exploration(Scenario scenario, Log log = {});

  /// What went wrong; empty if nothing did.
  std::vector<std::string> run();

 private:
  void play(const Act& act);
  void perform(ExploredDisk& disk, const AttachDisk& deed);
  void perform(ExploredDisk& disk, const RunLoad& deed);
  void perform(ExploredDisk& disk, const ReloadDriver& deed);
  void perform(ExploredDisk& disk, const StartOtherKernel& deed);
  void perform(ExploredDisk& disk, const DetachDisk& deed);
  void perform(ExploredDisk& disk, const ForceDetach& deed);
  void perform(ExploredDisk& disk, const DestroyGuest& deed);
  void perform(ExploredDisk& disk, const PauseGuest& deed);
  void perform(ExploredDisk& disk, const RestartDaemon& deed);
  void perform(ExploredDisk& disk, const KillDaemon& deed);
  void perform(ExploredDisk& disk, const KillControl& deed);
  void perform(ExploredDisk& disk, const KillWorker& deed);
  void perform(ExploredDisk& disk, const OutdateWorker& deed);
  void perform(ExploredDisk& disk, const DieAtMessage& deed);
  void perform(ExploredDisk& disk, const LoseXenstore& deed);
  void perform(ExploredDisk& disk, const PowerOff& deed);
  void perform(ExploredDisk& disk, const ChangeStorage& deed);
  void perform(ExploredDisk& disk, const FillStorage& deed);
  void perform(ExploredDisk& disk, const ChangePolicy& deed);
  void perform(ExploredDisk& disk, const ResumeDisk& deed);
  void perform(ExploredDisk& disk, const GrowImage& deed);
  void perform(ExploredDisk& disk, const HangStorage& deed);
  void perform(ExploredDisk& disk, const HoldOpens& deed);
  void perform(ExploredDisk& disk, const ChangeScript& deed);
  void perform(ExploredDisk& disk, const Misbehave& deed);

  void kill(const KillDaemon& deed);
  std::shared_ptr<SimWorkerProcess> worker_of(const ExploredDisk& disk);
  void in_the_middle(Work work);
  DomainId guest_of(const ExploredDisk& disk);
  void attach(ExploredDisk& disk);
  std::string closed(ExploredDisk& disk);
  void mend_storage();
  void destroy_hostile_guests();
  void finish_requests();
  void look_at_sizes();
  void ask_control();
  void expect_current_workers();
  void expect_sizes_seen();
  void detach_all();
  void live_once_more(ExploredDisk& disk);
  void read_all(ExploredDisk& disk);
  void check_image(const ExploredDisk& disk);
  bool may_leak(const ExploredDisk& disk) const;
  bool sound();
  void expect(bool holds, const std::string& what);
  void log(const std::string& line);

  Scenario scenario_;
  Log log_;
  Host host_;
  StateObserver state_observer_;
  Misbehaviour misbehaviour_;
  std::vector<std::unique_ptr<ExploredDisk>> disks_;
  std::map<std::size_t, DomainId> guests_;  ///< the domain that a guest of the scenario is
  DomainId domains_ = 0;
  bool opens_hung_ = false;  ///< for longer than a disk that is to close waits
  std::vector<std::string> faults_;
};

}  // namespace tapring::sim
