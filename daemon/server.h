// SPDX-License-Identifier: MIT
// The vbds of this domain's backends: watches xenstore and keeps a Device for each. Runs on the
// control thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/device.h"
#include "daemon/guarded_executor.h"
#include "daemon/report.h"

namespace tapring {

/// What a server is made of; differs by world, and outlives it.
struct ServerPorts {
  Xenstore& store;
  Executor& control;
  Background& background;
  Timer& timer;
  const Blkback& blkback;
  std::vector<Worker*> workers;
};

struct ServerSettings {
  std::vector<std::string> kinds;  ///< of backend: "vbd", "vbd3", "qdisk"
  TransportOffer offer;
  DiskOpener open_disk;
};

class Server final : public Reporter {
 public:
  Server(const ServerPorts& ports, ServerSettings settings);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Begins to watch, and takes up what is there already. Throws where xenstore does not answer.
  void start();

  /// Tells guests whose images others have made larger. To be called now and then.
  void check_sizes();

  /// Lets go of every disk, leaving the guests waiting for the next tapringd.
  void shut_down();

  /// After shut_down(): nothing is held any more.
  bool idle() const;

  std::vector<DiskReport> report() const override;

 private:
  void on_event(const WatchEvent& event);
  void scan(const std::string& kind);
  void check_domains();
  void touch(const VbdName& name);
  void advance_touched();
  void advance(const VbdName& name);
  std::shared_ptr<Device> device_of(const VbdName& name);
  void forget(const VbdName& name);

  Xenstore& store_;
  const std::vector<std::string> kinds_;
  Workers workers_;
  LogLimit log_limit_;
  GuardedExecutor control_;
  DeviceContext context_;
  std::map<VbdName, std::shared_ptr<Device>> devices_;
  std::set<VbdName> touched_;  ///< to be looked at: an event came since the last look began
  bool advance_posted_ = false;
};

}  // namespace tapring
