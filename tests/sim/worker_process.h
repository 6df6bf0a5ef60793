// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "daemon/datapath/remote_journals.h"
#include "daemon/host/remote_witnesses.h"
#include "daemon/vbd/server.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "tests/sim/aside.h"
#include "tests/sim/control_link.h"
#include "tests/sim/executor.h"
#include "tests/sim/open_files.h"
#include "tests/sim/place.h"
#include "tests/sim/remote_journals.h"
#include "tests/sim/worker.h"

namespace tapring::sim {

/// A simulated worker process: what worker_main() makes of the parts of a daemon, but its threads.
class SimWorkerProcess {
 public:
  struct Start {
    std::string name;
    std::string version;  ///< of the program
    ProcessNumber number;
  };

  /// `files` outlives this.
  SimWorkerProcess(const SimPlace& place, SimOpenFiles& files, Start start);
  SimWorkerProcess(const SimWorkerProcess&) = delete;
  SimWorkerProcess& operator=(const SimWorkerProcess&) = delete;
  ~SimWorkerProcess();

  const std::string& name() const noexcept { return start_.name; }
  bool running() const noexcept { return !dead_; }

  /// Its server, while it runs.
  Server& server() noexcept { return *server_; }
  const Server& server() const noexcept { return *server_; }

  /// A control process connects.
  void connect(std::shared_ptr<SimMessagePair> pair) { link_.connect(std::move(pair)); }

  /// As SIGTERM does, some time later.
  void terminate();

  /// As SIGKILL does.
  void die();

  /// It is gone, and the kernel has let go of all that it had.
  bool has_let_go() const { return dead_ && !files_.has(start_.number); }

  /// After its end: nothing of it is under way any more.
  bool is_idle() const { return is_over_ && link_.waiting() == 0 && server_->idle(); }

  /// Runs `told` soon after its end.
  void tell_end(Work told);

  const std::string& version() const noexcept { return start_.version; }

  /// It finds that what it may open is settled in another way than it is now to be, and says so
  /// until it is heard.
  void say_outdated();
  bool is_outdated() const noexcept { return outdated_; }

  std::size_t bound() const;

 private:
  ServerSettings settings();
  void drain();

  const SimPlace& place_;
  SimOpenFiles& files_;
  const Start start_;
  bool dead_ = false;
  bool serving_ = false;  ///< there was a control process
  bool stopping_ = false;
  bool outdated_ = false;
  bool is_over_ = false;  ///< its ghost was told so
  std::vector<Work> told_at_end_;
  Aside background_;
  std::unique_ptr<SimExecutor> control_;
  SimControlLink link_;
  ReconnectingXenstore store_;
  RemoteWitnesses witnesses_;
  SimRemoteJournals journals_;
  std::deque<SimWorker> workers_;
  std::unique_ptr<Server> server_;
};

}  // namespace tapring::sim
