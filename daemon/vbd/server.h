// SPDX-License-Identifier: MIT
// The vbds of this domain's backends: watches xenstore and keeps a Device for each. Runs on the
// control thread.
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

#include "daemon/datapath/workers.h"
#include "daemon/vbd/administration.h"
#include "daemon/vbd/device.h"
#include "daemon/vbd/guarded_executor.h"
#include "daemon/xenstore/reconnecting_xenstore.h"

namespace tapring {

/// What differs between production and the simulated world. Outlives the server.
struct ServerPorts {
  ReconnectingXenstore& store;
  Executor& control;
  Background& background;
  Timer& timer;
  const Blkback& blkback;
  JournalStore& journals;
  WitnessStore& witnesses;
  Workers workers;
};

/// The other processes that serve disks of this host, for one that serves some of them.
class Neighbours {
 public:
  virtual ~Neighbours() = default;

  /// How many disks they serve. `own`: how many this process does.
  virtual uint64_t disks_elsewhere(uint64_t own) = 0;

  /// This process has no disk any more, or has one again.
  virtual void tell_empty(bool is_empty) = 0;
};

struct ServerSettings {
  std::vector<std::string> kinds;  ///< of backend: "vbd", "vbd3", "qdisk"
  TransportOffer offer;
  DiskOpener open_disk;
  uint32_t max_disks = 1024;
  ErrorPolicy errors;  ///< of disks of which nothing else is said
  /// How long somebody on this host may hold the lock of an image that is being attached.
  std::chrono::milliseconds lock_wait{0};
  PlainLines plain_lines = PlainLines::take;
  std::vector<std::string> problems;  ///< of the configuration
  /// A key in the directory of our own domain, where even an unprivileged domain may write. As long
  /// as it is there, xenstored has not lost its contents.
  std::string marker = "data/tapringd";
  std::shared_ptr<Neighbours> neighbours = nullptr;  ///< null: this process serves all disks
};

class Server final : public Administration {
 public:
  Server(const ServerPorts& ports, ServerSettings settings);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Watches xenstore, and serves the disks that it has already, as soon as it answers. Then runs
  /// `serving`, once.
  void start(Work serving);

  /// Applies new settings, but for the kinds and the offer. Connected disks keep their image as it
  /// was opened.
  void configure(ServerSettings settings);

  /// Tells guests whose images others have made larger. To be called now and then.
  void check_sizes();

  /// Lets go of what belonged to guests that are gone, in a driver domain: xenstored announces the
  /// end of a domain to dom0 only. To be called now and then.
  void check_guests();

  /// Lets go of every disk, leaving the guests waiting for the next tapringd.
  void shut_down();

  /// After shut_down(): nothing is held any more.
  bool idle() const;

  std::vector<DiskReport> report() const override;
  std::vector<std::string> problems() const override;
  std::string resume(const VbdName& disk) override;
  std::string set_policy(const VbdName& disk, const PolicyWords& words) override;
  std::string adopt(const VbdName& name) override;
  std::string release(const VbdName& name) override;

 private:
  bool has_room() const;
  void tell_if_empty();
  void on_connected();
  void watch_kinds();
  void keep_disks();
  void drop_stale_records();
  void write_marker();
  void on_event(const WatchEvent& event);
  void scan(const std::string& kind);
  void check_domains();
  void guarded(const VbdName& name, const std::function<void()>& work);
  void schedule(const VbdName& name);
  void advance_pending();
  void advance(const VbdName& name);
  std::shared_ptr<Device> device_of(const VbdName& name);
  void forget(const VbdName& name);
  const Device* user_of(const FileId& file, const Device& but) const;
  const Device* twin_of(const Device& disk) const;

  ReconnectingXenstore& store_;
  std::vector<std::string> problems_;
  const std::vector<std::string> kinds_;
  const std::string marker_;
  const std::shared_ptr<Neighbours> neighbours_;
  Workers workers_;
  LogLimit log_limit_;
  GuardedExecutor control_;
  DeviceContext context_;
  Work serving_;
  std::size_t watched_ = 0;  ///< so many of kinds_, and then the domains
  std::map<VbdName, std::shared_ptr<Device>> devices_;
  std::set<VbdName> pending_;  ///< had an event since they were last advanced
  bool advance_posted_ = false;
  bool was_empty_ = false;  ///< as neighbours_ was told
};

}  // namespace tapring
