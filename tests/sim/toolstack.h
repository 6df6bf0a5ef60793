// SPDX-License-Identifier: MIT
// libxl's part in the life of a disk: it writes the vbd's directories, runs the hotplug script once
// the backend is in state 2, and takes it all away again.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/sim/executor.h"
#include "tests/sim/machine.h"
#include "tests/sim/store.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstore.h"

namespace tapring::sim {

/// What a guest calls its disk by.
struct DiskName {
  DomainId domain = 0;
  uint32_t device = 51712;  ///< xvda
  auto operator<=>(const DiskName&) const = default;
};

/// A disk line as libxl understood it.
struct DiskLine {
  DiskName name{};
  std::string vdev = "xvda";
  std::string kind = "vbd";
  std::string params;
  std::string mode = "w";
  bool discard = true;                            ///< no-discard was not said
  std::string script = "/etc/xen/scripts/block";  ///< empty: none is run, as for qdisk
  DomainId backend_domain = 0;
  bool has_loop_device = true;  ///< the script makes one; for kind vbd
};

/// The number of the loop device that the script makes for the disk, as in physical-device.
std::string loop_device_of(DiskName name);

std::string backend_directory(const DiskLine& line);
std::string frontend_directory(DiskName name);

/// What libxl writes there for a new disk.
StoreKeys backend_keys(const DiskLine& line);
StoreKeys frontend_keys(const DiskLine& line);

class SimToolstack {
 public:
  enum class Progress : uint8_t {
    waiting,  ///< for the backend's state 2
    in_script,
    attached,  ///< as far as libxl is concerned
    failed,    ///< state 2 or the script's end did not come in time, or the script failed
    detaching,
    detach_refused,  ///< state 6 did not come in time; everything is left as it is
    gone,
  };

  SimToolstack(SimWorld& world, SimMachine& machine, SimStore& store);

  /// Gives the domain its directory, which it may read. attach() does that for its guest.
  void introduce(DomainId domain);

  void attach(const DiskLine& line);
  void detach(DiskName name);

  /// The frontend's directory goes first, the rest whatever the backend does.
  void force_detach(DiskName name);

  /// `xl destroy`: the domain dies, then its disks are force-detached.
  void destroy(DomainId domain);

  Progress progress(DiskName name) const { return vbds_.at(name).progress; }

  /// Every disk is gone.
  bool has_nothing() const noexcept;

  /// From now on each key of the backend for itself, in any order, as without transactions.
  void write_keys_apart() noexcept { keys_apart_ = true; }

  /// The next scripts take so long.
  void script_takes(Time time) noexcept { script_time_ = time; }

  /// The next scripts end with this in hotplug-status; empty: they end without writing anything.
  void script_writes(std::string status) { script_status_ = std::move(status); }

 private:
  struct Vbd {
    DiskLine line;
    Progress progress = Progress::waiting;
    uint64_t attempt = 0;  ///< a timer of an earlier life is told by it
    Time gives_up_at{0};   ///< and one of an earlier step by this
    bool forced = false;
  };

  void write_apart(const StoreKeys& keys);
  void store_event(const WatchEvent& event);
  void backend_changed(Vbd& vbd);
  void run_script(Vbd& vbd);
  void begin_detach(Vbd& vbd, bool forced);
  void clean_up(Vbd& vbd);
  void give_up_after(Time limit, Vbd& vbd, Progress result);
  Vbd* find(DiskName name, uint64_t attempt);

  SimWorld& world_;
  SimMachine& machine_;
  SimStore& store_;
  SimExecutor thread_;
  SimXenstore xenstore_;
  std::map<DiskName, Vbd> vbds_;
  uint64_t attempts_ = 0;
  bool keys_apart_ = false;
  Time script_time_ = std::chrono::milliseconds(150);
  std::string script_status_ = "connected";
};

}  // namespace tapring::sim
