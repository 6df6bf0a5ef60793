// SPDX-License-Identifier: MIT
// A dom0 in a simulated world, with the whole of tapringd but its sockets, threads and system calls
// to Xen: what tests of the daemon begin with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/isolation.h"
#include "daemon/vbd/server.h"
#include "tests/sim/background.h"
#include "tests/sim/blkback.h"
#include "tests/sim/daemon.h"
#include "tests/sim/disk_model.h"
#include "tests/sim/frontend.h"
#include "tests/sim/journals.h"
#include "tests/sim/machine.h"
#include "tests/sim/message_deaths.h"
#include "tests/sim/open_files.h"
#include "tests/sim/place.h"
#include "tests/sim/process_table.h"
#include "tests/sim/service_store.h"
#include "tests/sim/storage.h"
#include "tests/sim/store.h"
#include "tests/sim/supervised_processes.h"
#include "tests/sim/toolstack.h"
#include "tests/sim/witnesses.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstored.h"

namespace tapring::sim {

class Host {
 public:
  /// Fewer than a disk can have queues, so that some are spread over them and some share one.
  static constexpr std::size_t kWorkers = 3;
  /// Few, so that a guest that uses them uses other pages as well.
  static constexpr uint32_t kMaxPersistentGrants = 64;

  /// `max_persistent_grants`, `errors` and `isolation` are of the daemon's configuration; it runs
  /// in the domain `own_domain`: 0, or that of a driver domain.
  explicit Host(uint64_t seed, uint32_t max_persistent_grants = kMaxPersistentGrants,
                DomainId own_domain = 0, std::size_t workers = kWorkers,
                const ErrorPolicy& errors = {}, Isolation isolation = Isolation::host);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// Stops the daemon, as systemd does.
  ~Host();

  SimWorld& world() noexcept { return world_; }
  SimMachine& machine() noexcept { return machine_; }
  SimStorage& storage() noexcept { return storage_; }
  SimBackground& background() noexcept { return background_; }
  SimJournals& journals() noexcept { return journals_; }
  const SimWitnesses& witnesses() const noexcept { return witnesses_; }
  SimBlkback& kernel() noexcept { return kernel_; }
  SimStore& store() noexcept { return store_; }
  SimToolstack& toolstack() noexcept { return toolstack_; }
  /// As the daemon meets it.
  SimXenstored& xenstored() noexcept { return xenstored_; }

  /// As `systemctl restart` does: the daemon ends, and another begins.
  void restart();
  void restart(uint32_t max_persistent_grants);

  /// Of the configuration, for the next daemon.
  void limit_disks(uint32_t most) noexcept { max_disks_ = most; }
  void plain_lines(PlainLines choice) noexcept { plain_lines_ = choice; }

  /// As `systemctl reload` does.
  void reload();

  /// As `kill -9` does: the daemon ends where it is, between two stores to a journal for instance.
  /// Its mappings, ports, locks and watches go with it, and nothing is said to anybody.
  void kill();

  /// After kill().
  void start();
  bool running() const noexcept { return daemon_ != nullptr; }

  /// How many daemons, or control processes, there have been.
  uint64_t starts() const noexcept { return starts_; }

  /// As the daemon does now and then by itself.
  void check_sizes() {
    if (daemon_) daemon_->check_sizes();
  }
  void check_guests() {
    if (daemon_) daemon_->check_guests();
  }

  // Where worker processes serve the disks, by its isolation.

  bool has_workers() const noexcept { return isolation_ != Isolation::host; }
  SimProcessTable& workers() noexcept { return table_; }

  /// Who dies with which message. Another control process begins soon.
  SimMessageDeaths& message_deaths() noexcept { return message_deaths_; }

  /// By force, and leaves the workers; the next one begins so much later.
  void kill_control(Time until_next);

  /// What the control socket answers to a request; nothing if it is not there.
  void ask(const std::string& request, std::function<void(std::string)> done) {
    if (control_ != nullptr) control_->ask(request, std::move(done));
  }

  /// The whole machine loses its power and starts again: no guest is left, and of what was written
  /// but not made durable some is lost.
  void power_off();

  /// Before the disk's first write, if power_off() is to come.
  void make_losable(const DiskLine& line, const std::string& path);

  /// Makes an image of zeros and gives its path. It goes with the host.
  std::string make_image(const std::string& name, uint64_t bytes);
  std::string image_path(const std::string& name) const { return directory_ / name; }

  /// Makes the domain and its driver for the disk, where there are none; then attaches the disk.
  /// `options` are those of a new driver.
  SimFrontend& attach(const DiskLine& line, const FrontendOptions& options = {});

  /// What the disk should hold; survives its frontends.
  DiskModel& model(const std::string& params) { return models_[params]; }

  /// The disk's state keys, 0 if there is none.
  uint64_t backend_state(const DiskLine& line) const;

  /// What the daemon says is wrong with more than one disk.
  std::vector<std::string> problems() const {
    return daemon_ ? daemon_->problems() : std::vector<std::string>();
  }

  /// From the next daemon on: whether a worker process serves the disks, which has what the control
  /// process lets it have of xenstore. By the seed, unless it is said.
  void by_worker(bool choice) noexcept { by_worker_ = choice; }

  const ErrorPolicy& errors() const noexcept { return errors_; }

  /// The daemon, while it runs, as its control socket has it.
  Administration& daemon() { return *daemon_; }

  /// What the daemon says of the disk; a report with an empty state if it knows none.
  DiskReport report(DiskName name) const;

  bool run_until(const std::function<bool()>& done, Time limit = std::chrono::seconds(60)) {
    return world_.run_until(done, limit);
  }

  // Of a disk of kind vbd, as `tapring adopt` and `tapring release` ask the daemon: why not, or
  // empty.
  std::string adopt(DiskName name) { return daemon_->adopt(vbd(name)); }
  std::string release(DiskName name) { return daemon_->release(vbd(name)); }

  /// Descriptors of this process that are open on the file.
  static std::size_t descriptors(const std::string& path);

  /// Witnesses of lost writes are kept for the disk, so its storage is not free.
  bool keeps_witnesses(const VbdName& disk) const {
    return witnesses_.contains(disk.sysfs_name()) || stored_.contains(disk.sysfs_name());
  }

  /// Everything the daemon still holds of anybody, in words; empty if it holds nothing.
  std::string held() const;

 private:
  static VbdName vbd(DiskName name) { return {"vbd", name.domain, name.device}; }
  ServerSettings settings();
  void stop();
  void begin();
  void close_images();
  void bury();

  std::filesystem::path directory_;
  bool by_worker_;
  Isolation isolation_;
  uint64_t starts_ = 0;
  bool ending_ = false;  ///< no daemon is started any more
  uint32_t max_persistent_grants_;
  ErrorPolicy errors_;
  uint32_t max_disks_ = ServerSettings().max_disks;
  PlainLines plain_lines_ = ServerSettings().plain_lines;
  SimWorld world_;
  SimStorage storage_{world_};
  SimMachine machine_{world_};
  SimStore store_;
  SimBackground background_{world_};
  SimJournals journals_;
  SimWitnesses witnesses_;
  DomainId own_domain_;
  SimToolstack toolstack_{world_, machine_, store_};
  SimXenstored xenstored_{world_, machine_, store_};
  SimBlkback kernel_{world_, machine_, store_};
  std::set<std::string> images_;
  SimPlace place_;
  SimOpenFiles open_files_{storage_, images_};
  SimMessageDeaths message_deaths_;
  SimStoredDescriptors stored_;
  SimProcessTable table_{place_, open_files_};
  std::unique_ptr<SimDaemon> daemon_;
  SimSupervisedProcesses* control_ = nullptr;  ///< that is daemon_, if it is one
  /// Killed ones. Their coroutines run to an end, with no effect on anything: what waits in the
  /// middle of a request cannot be taken down in another way.
  std::vector<std::unique_ptr<SimDaemon>> ghosts_;
  std::map<std::string, DiskModel> models_;
  std::map<DiskName, std::unique_ptr<SimFrontend>> frontends_;
};

/// The seeds that a test of the simulated world runs with: 1 to `count`, or the one that the
/// environment variable TAPRING_SEED names.
std::vector<uint64_t> seeds(uint64_t count);

}  // namespace tapring::sim
