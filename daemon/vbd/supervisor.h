// SPDX-License-Identifier: MIT
// The control process: which vbd belongs to which worker process, and what the workers get of
// xenstore and of each other. It touches no ring and no image, so nothing that hangs or fails there
// reaches it. Runs on the control thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/datapath/journal_store.h"
#include "daemon/host/log.h"
#include "daemon/host/witness_keeper.h"
#include "daemon/host/work.h"
#include "daemon/vbd/disk_records.h"
#include "daemon/vbd/guarded_executor.h"
#include "daemon/vbd/worker_assignment.h"
#include "daemon/vbd/worker_processes.h"
#include "daemon/vbd/worker_question.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "daemon/xenstore/store_view.h"
#include "daemon/xenstore/vbd_name.h"

namespace tapring {

struct SupervisorPorts {
  ReconnectingXenstore& store;
  Executor& control;
  Background& background;
  Timer& timer;
  WorkerProcesses& processes;
  JournalStore& journals;
  WitnessKeeper& witnesses;
};

class Supervisor {
 public:
  /// `version`: of the program; workers of another are replaced. `configuration`: as TOML.
  Supervisor(const SupervisorPorts& ports, std::vector<std::string> kinds, std::string version,
             std::string configuration, Isolation isolation);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Adopts the workers that are there, and starts those that disks need, as soon as
  /// xenstore answers. Then runs `serving`, once.
  void start(Work serving);

  /// Has all workers let go of their disks and end.
  void shut_down();

  /// After shut_down(): all have ended.
  bool idle() const noexcept { return workers_.empty(); }

  /// Sends a line of the control socket to all workers, and runs `then` with what they said.
  void ask_all(const std::string& request, std::function<void(std::vector<WorkerAnswer>)> then);

  /// Gives all workers another configuration, those too that start later.
  void configure(std::string toml);

  /// Whether the disk is that worker's.
  bool owns(const std::string& worker, const VbdName& disk) {
    return assignment_.worker_of(disk) == worker;
  }

  /// Why there is no xenstore; empty if there is.
  const std::string& store_absence() const noexcept { return store_.absence(); }

 private:
  struct Worker {
    std::unique_ptr<StoreView> view;
    std::unique_ptr<WorkerProcess> process;  ///< null between an end and the next start
    bool stopping = false;
    bool is_empty = false;  ///< it has no disk
    uint64_t disks = 0;
    std::chrono::milliseconds started{0};
    std::chrono::system_clock::time_point heard;  ///< when it said something last
    std::map<uint64_t, std::shared_ptr<WorkerQuestion>> questions{};
  };
  using Workers = std::map<std::string, Worker>;

  void on_connected();
  void drop_stale_records();
  void watch_kinds();
  void on_event(const WatchEvent& event);
  void scan(const std::string& kind);
  void look_at(const VbdName& name);
  std::vector<VbdName> nodes_of(const std::string& worker);
  Workers::iterator need_worker(const std::string& name);
  void start_process(const std::string& name);
  void said(const std::string& name, Message message);
  void greeted(const std::string& name, const Message& hello);
  static void replace(const std::string& name, Worker& worker, const std::string& why);
  void answer(const std::string& name, Worker& worker, Message& call);
  void serve(const std::string& name, Worker& worker, Message& call);
  static void reply(Worker& worker, const Message& call, std::vector<std::string> words,
                    std::vector<UniqueFd> descriptors = {});
  VbdName require_own(const std::string& worker, const std::string& disk);
  void forget_disks();
  bool has_node(const VbdName& name);
  void require_own_node(const std::string& worker, const std::string& disk);
  std::vector<std::string> disks_elsewhere(const std::string& name, const Message& call);
  void remove_witnesses(const std::string& name, const Message& call);
  uint64_t disks() const;
  WorkerAnswer silence_of(const std::string& name);
  void take_answer(const std::string& name, Worker& worker, const Message& result);
  void ended(const std::string& name, const std::string& why);
  void forget(const std::string& name);
  bool is_needed(const std::string& name);
  void stop_if_unneeded(const std::string& name);

  ReconnectingXenstore& store_;
  WorkerAssignment assignment_;
  LogLimit log_limit_;
  GuardedExecutor control_;
  Background& background_;
  Timer& timer_;
  WorkerProcesses& processes_;
  DiskRecords records_;
  const std::vector<std::string> kinds_;
  const std::string version_;
  Work serving_;
  std::string configuration_;
  DomainId backend_ = 0;
  std::size_t watched_ = 0;  ///< so many of kinds_, and then the domains
  std::set<VbdName> nodes_;
  Workers workers_;
  uint64_t next_number_ = 1;
  bool shutting_down_ = false;
};

}  // namespace tapring
