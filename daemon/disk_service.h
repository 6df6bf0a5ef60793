// SPDX-License-Identifier: MIT
// What serves disks: the server, its worker threads and what they need of this process. The whole
// daemon is one, or else each of its worker processes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "daemon/config/options.h"
#include "daemon/datapath/journal_store.h"
#include "daemon/datapath/worker_thread.h"
#include "daemon/host/control_thread.h"
#include "daemon/host/helper_threads.h"
#include "daemon/host/repeat.h"
#include "daemon/host/sysfs_blkback.h"
#include "daemon/host/thread_background.h"
#include "daemon/host/watchdog.h"
#include "daemon/host/witness_store.h"
#include "daemon/vbd/server.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "ring/uring.h"

namespace tapring {

class DiskService {
 public:
  /// All but `options` outlive this.
  struct Surroundings {
    boost::asio::io_context& context;
    ControlThread& control;
    ReconnectingXenstore& store;
    WitnessStore& witnesses;
    JournalStore& journals;
  };

  /// One for each worker thread that there may be.
  using Urings = std::vector<std::unique_ptr<Uring>>;
  static Urings make_urings(const Options& options);

  /// `settings`: the server's, without what follows from `options`. `explain` adds to what is said
  /// where an image cannot be opened.
  DiskService(const Surroundings& around, const Options& options, ServerSettings settings,
              Urings urings, std::function<DiskOpener(DiskOpener)> explain = std::identity());
  DiskService(const DiskService&) = delete;
  DiskService& operator=(const DiskService&) = delete;

  Server& server() noexcept { return server_; }

  /// Takes what is live of the options.
  void configure(const Options& options);

  /// Has `dog` look whether the worker threads turn, those too that are started later.
  void watch(Watchdog& dog);

  /// Serves; `serving` is run once that has begun.
  void start(Work serving);

  /// Answers what is in flight, lets go of all disks, and has the context end.
  void stop();

 private:
  Worker& start_worker(const Options& options, uint32_t number);

  boost::asio::io_context& context_;
  ThreadBackground background_;
  SysfsBlkback blkback_;
  HelperThreads helpers_;
  Urings urings_;
  const std::function<DiskOpener(DiskOpener)> explain_;
  const bool shares_host_;                                     ///< other processes serve disks too
  std::map<uint32_t, std::unique_ptr<WorkerThread>> threads_;  ///< by their numbers
  Watchdog* dog_ = nullptr;
  Server server_;
  std::unique_ptr<Repeat> checks_;
  std::unique_ptr<Repeat> draining_;
};

}  // namespace tapring
