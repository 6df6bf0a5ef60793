// SPDX-License-Identifier: MIT
// What may happen to the disks of one simulated host, as data: made by random_scenario, played by
// Exploration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/config/isolation.h"
#include "daemon/datapath/error_policy.h"
#include "tests/sim/frontend.h"
#include "tests/sim/load.h"
#include "tests/sim/message_deaths.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring::sim {

/// One image, and the guest that it is for.
struct DiskPlan {
  std::string kind = "vbd";
  std::string format;  ///< what stands before the path: "", "aio:", "raw:"
  std::string script;
  std::string mode = "w";
  uint64_t bytes = uint64_t{1} << 20U;
  uint32_t block_bytes = 512;  ///< what its storage takes no part of
  uint32_t cluster_bits = 9;   ///< of a qcow2 image
  uint64_t base_bytes = 0;     ///< likewise: of its backing file, if it has one
  std::size_t guest = 0;       ///< its number in the scenario
  uint32_t device = 51712;
  FrontendOptions frontend;
  bool hostile = false;
};

// What may happen to a disk. Where its circumstances do not allow it, nothing happens.

struct AttachDisk {};
struct RunLoad {
  LoadOptions options;
};
struct ReloadDriver {
  FrontendOptions next;
};
struct StartOtherKernel {
  FrontendOptions next;
};
struct DetachDisk {};
struct ForceDetach {};
struct DestroyGuest {};
struct PauseGuest {
  Time time;
};
/// With what its configuration says by then.
struct RestartDaemon {
  uint32_t max_persistent_grants = 0;
};
/// By force; another one begins some time later.
struct KillDaemon {
  Time until_next;
  std::optional<uint64_t> after_stores;  ///< so many to its journals; else at once
};
// Where worker processes serve the disks.

/// By force; the workers stay, and another control process begins some time later.
struct KillControl {
  Time until_next;
  bool is_upgrade = false;  ///< of another version of the program
};
/// Likewise the one that serves the disk.
struct KillWorker {};
/// What it may open was settled in another way.
struct OutdateWorker {};
/// One of the two that speak dies at this one of the messages to come, from 1.
struct DieAtMessage {
  uint64_t number = 1;
  SimMessageDeaths::Victim victim = SimMessageDeaths::Victim::sender;
};

/// The daemon loses its connection to xenstored, and has no other for so long.
struct LoseXenstore {
  uint64_t call = 0;  ///< at this one of those to come; 0: now, or in the middle of a commit
  Time time;
};
/// Of the whole host.
struct PowerOff {};
struct ChangeStorage {
  Latency latency;
  std::map<FileOperation::Kind, Latency> latencies;  ///< of kinds that differ from it
  double error_probability = 0;
  double short_probability = 0;
  int write_error = 0;  ///< an errno that every write ends with; 0: none
  int sync_error = 0;
};
/// Some writes find no room, for a while.
struct FillStorage {
  Time time;
  double probability = 1;
};
/// By an administrator.
struct ChangePolicy {
  PolicyWords words;
};
struct ResumeDisk {};
/// Somebody makes the image larger.
struct GrowImage {
  uint64_t bytes;
};
struct HangStorage {
  Time time;
};
struct HoldOpens {
  Time time;
};
struct ChangeScript {
  Time takes;
  std::string writes;
};
struct Misbehave {
  unsigned times = 1;
};

using Deed = std::variant<AttachDisk, RunLoad, ReloadDriver, StartOtherKernel, DetachDisk,
                          ForceDetach, DestroyGuest, PauseGuest, RestartDaemon, ChangeStorage,
                          HangStorage, HoldOpens, ChangeScript, Misbehave, PowerOff, GrowImage,
                          KillDaemon, LoseXenstore, FillStorage, ChangePolicy, ResumeDisk,
                          KillControl, KillWorker, OutdateWorker, DieAtMessage>;

struct Act {
  Time at;
  std::size_t disk;  ///< its number in the scenario
  Deed deed;
};

struct Scenario {
  uint64_t seed = 0;
  uint32_t max_persistent_grants = 0;  ///< in the daemon's configuration at first
  std::size_t workers = 1;             ///< that the daemon has
  ErrorPolicy errors;                  ///< in its configuration
  Isolation isolation = Isolation::host;  ///< likewise
  std::vector<DiskPlan> disks;
  std::vector<Act> acts;  ///< in order of time
};

bool any_deed(const Scenario& scenario, const std::function<bool(const Deed&)>& is_it);
template <typename... Deeds>
bool has_deed(const Scenario& scenario) {
  return any_deed(scenario, [](const Deed& deed) {
    return (std::holds_alternative<Deeds>(deed) || ...);
  });
}

std::string describe(const ErrorPolicy& policy);
std::string describe(const DiskPlan& plan);
std::string describe(const FrontendOptions& options);
std::string describe(const Act& act);

}  // namespace tapring::sim
