// SPDX-License-Identifier: MIT
#include "tests/sim/random_scenario.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "tests/sim/random.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;

constexpr std::size_t kMostDisks = 4;
constexpr std::size_t kMostWorkers = 4;
constexpr uint32_t kFirstDevice = 51712;  // xvda
constexpr uint32_t kDeviceStep = 16;
constexpr double kHostile = 0.35;
constexpr double kPowerOff = 0.15;
constexpr double kKilledDaemon = 0.25;
constexpr double kLostXenstore = 0.25;
constexpr double kSharedGuest = 0.3;
constexpr double kGuestIsolation = 0.4;
constexpr double kStorageIsolation = 0.15;
constexpr double kLargeBlocks = 0.4;

class Draw {
 public:
  explicit Draw(uint64_t seed) : seed_(seed), random_(~seed) {}

  Scenario scenario();

 private:
  template <typename T, std::size_t Size>
  const T& one_of(const std::array<T, Size>& choices) {
    return choices[random_.below(Size)];
  }
  Time time(Time least, Time most) {
    return Time(
        random_.between(static_cast<uint64_t>(least.count()), static_cast<uint64_t>(most.count())));
  }

  DiskPlan disk(std::size_t number, std::size_t& guests);
  void choose_line(DiskPlan& plan);
  void choose_clusters(DiskPlan& plan);
  FrontendOptions frontend(const DiskPlan& plan);
  void choose_age(FrontendOptions& options);
  uint32_t max_persistent_grants();
  LoadOptions load();
  ChangeStorage storage();
  LoseXenstore loss();
  ErrorPolicy errors();
  ChangePolicy policy();
  GrowImage growth(const DiskPlan& plan);
  Deed deed(const DiskPlan& plan);
  Deed quiet_deed(const DiskPlan& plan);
  Deed rough_deed(const DiskPlan& plan);
  void add_processes(Scenario& scenario);
  Deed end_of_process();

  uint64_t seed_;
  Random random_;
  Time horizon_{0};
  bool last_is_hostile_ = false;  ///< of the disks made so far
};

Scenario Draw::scenario() {
  Scenario scenario{.seed = seed_,
                    .max_persistent_grants = max_persistent_grants(),
                    .workers = random_.between(1, kMostWorkers),
                    .errors = errors(),
                    .disks = {},
                    .acts = {}};
  const auto add = [&scenario](Act act) {
    const auto later = std::ranges::upper_bound(scenario.acts, act.at, {}, &Act::at);
    scenario.acts.insert(later, std::move(act));
  };
  const std::size_t disks = random_.between(1, kMostDisks);
  std::size_t guests = 0;
  for (std::size_t number = 0; number < disks; ++number) {
    scenario.disks.push_back(disk(number, guests));
    add({time(0ms, 50ms), number, AttachDisk{}});
  }
  const Time horizon = horizon_ = time(500ms, 4s);
  const uint64_t deeds = random_.between(2, 7 * disks);
  for (uint64_t i = 0; i < deeds; ++i) {
    const std::size_t number = random_.below(disks);
    add({time(0ms, horizon), number, deed(scenario.disks[number])});
  }
  if (random_.chance(kPowerOff)) add({time(100ms, horizon), 0, PowerOff{}});
  if (random_.chance(kKilledDaemon)) {
    for (uint64_t kills = random_.between(1, 3); kills > 0; --kills) {
      // Often soon after something began.
      const Act& other = scenario.acts[random_.below(scenario.acts.size())];
      const Time at = random_.chance(0.5) ? other.at + time(0ms, 20ms) : time(0ms, horizon);
      KillDaemon deed{time(1ms, random_.chance(0.1) ? 15s : 300ms), {}};
      if (random_.chance(0.7)) deed.after_stores = random_.below(300);
      add({at, 0, deed});
    }
  }
  if (random_.chance(kLostXenstore)) {
    for (uint64_t losses = random_.between(1, 4); losses > 0; --losses) {
      const Act& other = scenario.acts[random_.below(scenario.acts.size())];
      const Time at = random_.chance(0.7) ? other.at + time(0ms, 20ms) : time(0ms, horizon);
      add({at, 0, loss()});
    }
  }
  add_processes(scenario);
  return scenario;
}

/// The last that is drawn: so what a seed gives in one process does not change.
void Draw::add_processes(Scenario& scenario) {
  if (random_.chance(kGuestIsolation)) {
    scenario.isolation = Isolation::guest;
  } else if (random_.chance(kStorageIsolation / (1 - kGuestIsolation))) {
    scenario.isolation = Isolation::storage;
  } else {
    return;
  }
  for (uint64_t ends = random_.below(6); ends > 0; --ends) {
    const Act& other = scenario.acts[random_.below(scenario.acts.size())];
    const Time at = random_.chance(0.6) ? other.at + time(0ms, 20ms) : time(0ms, horizon_);
    const Act end{at, random_.below(scenario.disks.size()), end_of_process()};
    const auto later = std::ranges::upper_bound(scenario.acts, end.at, {}, &Act::at);
    scenario.acts.insert(later, end);
  }
}

Deed Draw::end_of_process() {
  using Victim = SimMessageDeaths::Victim;
  constexpr std::array<Victim, 5> kVictims{Victim::sender, Victim::sender, Victim::receiver,
                                           Victim::receiver, Victim::both};
  switch (random_.below(8)) {
    case 0:
      return KillControl{time(1ms, random_.chance(0.1) ? 15s : 300ms), random_.chance(0.3)};
    case 1:
      return KillWorker{};
    case 2:
      return OutdateWorker{};
    default:
      return DieAtMessage{random_.between(1, random_.chance(0.5) ? 20 : 400), one_of(kVictims)};
  }
}

LoseXenstore Draw::loss() {
  return {random_.chance(0.5) ? random_.between(1, 30) : 0,
          time(0ms, random_.chance(0.1) ? 15s : 500ms)};
}

DiskPlan Draw::disk(std::size_t number, std::size_t& guests) {
  DiskPlan plan;
  plan.hostile = number > 0 && random_.chance(kHostile);
  const bool may_share = guests > 0 && !plan.hostile && !last_is_hostile_;
  const bool shares = may_share && random_.chance(kSharedGuest);
  last_is_hostile_ = plan.hostile;
  plan.guest = shares ? guests - 1 : guests++;
  plan.device = kFirstDevice + kDeviceStep * static_cast<uint32_t>(number);
  choose_line(plan);
  if (random_.chance(0.15)) plan.mode = "r";
  constexpr std::array<uint64_t, 5> kSizes{32'768, uint64_t{1} << 20U, 5'000'000,
                                           (uint64_t{4} << 20U) + 1536, uint64_t{8} << 20U};
  plan.bytes = one_of(kSizes);
  if (plan.format == "qcow2:") choose_clusters(plan);
  // Only what is opened with O_DIRECT meets the blocks of its storage, and whole ones only.
  if (plan.format.starts_with("aio:") && random_.chance(kLargeBlocks)) {
    plan.block_bytes = 4096;
    plan.bytes -= plan.bytes % plan.block_bytes;
  }
  plan.frontend = frontend(plan);
  plan.frontend.numbers_single_page = random_.chance(0.1);
  plan.frontend.one_queue_in_directory = random_.chance(0.1);
  return plan;
}

void Draw::choose_line(DiskPlan& plan) {
  struct Line {
    const char* kind;
    const char* format;
    const char* script;
  };
  constexpr std::array<Line, 8> kLines{{
      {"vbd", "", "/etc/xen/scripts/block"},
      {"vbd", "raw:", "/etc/xen/scripts/block-tapring"},
      {"vbd", "aio:", "/etc/xen/scripts/block-tapring"},
      {"vbd3", "aio:", "/etc/xen/scripts/block-tap"},
      {"vbd3", "aio:raw:", "/etc/xen/scripts/block-tapring"},
      {"qdisk", "aio:", ""},
      {"vbd", "qcow2:", "/etc/xen/scripts/block-tapring"},
      {"qdisk", "qcow2:", ""},
  }};
  const Line& line = one_of(kLines);
  plan.kind = line.kind;
  plan.format = line.format;
  plan.script = line.script;
}

void Draw::choose_clusters(DiskPlan& plan) {
  constexpr std::array<uint32_t, 4> kBits{9, 9, 12, 16};
  plan.cluster_bits = one_of(kBits);
  if (random_.chance(0.4)) plan.base_bytes = random_.between(1, plan.bytes / 512) * 512;
}

FrontendOptions Draw::frontend(const DiskPlan& plan) {
  FrontendOptions options;
  choose_age(options);
  options.closes_when_asked = !random_.chance(0.15);
  // libxl lets a guest run when the backend is in state 2, but for a qdisk.
  options.impatient = plan.kind == "qdisk" && random_.chance(0.3);
  options.discard_sectors = plan.format == "qcow2:" ? (1U << plan.cluster_bits) / 512 : 1;
  // What a kernel writes in one way must not be taken for stale by the way of the next one.
  options.numbers_single_page = plan.frontend.numbers_single_page;
  options.one_queue_in_directory = plan.frontend.one_queue_in_directory;
  return options;
}

void Draw::choose_age(FrontendOptions& options) {
  constexpr std::array<std::size_t, 5> kIndirect{0, 11, 32, 64, 256};
  switch (random_.below(6)) {
    case 0:  // Linux 2.6: one ring, and in its first years no protocol
      options.protocol = random_.chance(0.5) ? "" : "x86_64-abi";
      options.indirect_segments = 0;
      break;
    case 1:  // Linux 3.11: persistent grants, indirect segments
      options.persistent_grants = random_.chance(0.8);
      options.indirect_segments = one_of(kIndirect);
      break;
    case 2:  // a 32-bit PV guest
      options.protocol = "x86_32-abi";
      options.abi = Abi::x86_32;
      options.persistent_grants = random_.chance(0.5);
      options.queues = static_cast<unsigned>(random_.between(1, 3));
      options.ring_order = static_cast<unsigned>(random_.below(5));
      options.indirect_segments = one_of(kIndirect);
      break;
    case 3:  // Linux on Arm
      options.protocol = "arm-abi";
      options.persistent_grants = random_.chance(0.5);
      options.queues = static_cast<unsigned>(random_.between(1, 4));
      options.indirect_segments = one_of(kIndirect);
      break;
    case 4:  // Windows: several pages, no indirect segments
      options.ring_order = static_cast<unsigned>(random_.below(4));
      options.indirect_segments = 0;
      break;
    default:  // Linux of today
      options.persistent_grants = random_.chance(0.5);
      options.queues = static_cast<unsigned>(random_.between(1, 6));
      options.ring_order = static_cast<unsigned>(random_.below(6));
      options.indirect_segments = one_of(kIndirect);
      break;
  }
}

/// Few, so that a guest uses other pages as well; and as many as Linux's blkback keeps.
uint32_t Draw::max_persistent_grants() {
  constexpr std::array<uint32_t, 6> kMost{0, 0, 0, 4, 64, 1056};
  return one_of(kMost);
}

LoadOptions Draw::load() {
  constexpr std::array<uint32_t, 6> kSectors{1, 8, 16, 64, 88, 2048};
  constexpr std::array<uint64_t, 4> kRegions{16, 200, 1024, 4096};
  constexpr std::array<double, 4> kWrites{0, 0.2, 0.6, 1};
  constexpr std::array<double, 4> kFlushes{0, 0.03, 0.1, 0.5};
  return {.requests = random_.between(5, 80),
          .depth = static_cast<unsigned>(random_.between(1, 48)),
          .writes = one_of(kWrites),
          .flushes = one_of(kFlushes),
          .barriers = random_.chance(0.3) ? 0.1 : 0,
          .discards = random_.chance(0.3) ? 0.2 : 0,
          .most_sectors = one_of(kSectors),
          .region_sectors = one_of(kRegions),
          .at_end = random_.chance(0.3)};
}

ChangeStorage Draw::storage() {
  ChangeStorage change;
  change.latency.least = time(1us, 100us);
  change.latency.most = change.latency.least + time(1us, random_.chance(0.3) ? 50ms : 1ms);
  using Kind = FileOperation::Kind;
  for (const Kind kind : {Kind::sync, Kind::discard}) {
    if (random_.chance(0.2)) change.latencies[kind] = {1ms, time(2ms, 200ms)};
  }
  if (random_.chance(0.3)) change.error_probability = random_.chance(0.5) ? 0.02 : 0.3;
  if (random_.chance(0.5)) change.short_probability = 0.4;
  if (random_.chance(0.1)) change.write_error = random_.chance(0.5) ? ENOSPC : EIO;
  if (random_.chance(0.1)) change.sync_error = EIO;
  return change;
}

/// As a rule, those who wait are to find in the end what they wait for.
ErrorPolicy Draw::errors() {
  ErrorPolicy policy;
  if (random_.chance(0.15)) policy.on_no_space = OnError::report;
  if (random_.chance(0.5)) policy.on_io_error = OnError::pause;
  if (random_.chance(0.15))
    policy.pause_limit_seconds = static_cast<uint32_t>(random_.between(1, 3));
  return policy;
}

ChangePolicy Draw::policy() {
  constexpr std::array<const char*, 3> kChoices{"report", "pause", kDefaultWord};
  constexpr std::array<const char*, 3> kLimits{"0", "1", kDefaultWord};
  return {{{"on_no_space", one_of(kChoices)},
           {"on_io_error", one_of(kChoices)},
           {"pause_limit_seconds", one_of(kLimits)}}};
}

GrowImage Draw::growth(const DiskPlan& plan) {
  constexpr std::array<uint64_t, 4> kBytes{100, 512, 4096, 1'000'000};
  const uint64_t bytes = one_of(kBytes);
  // What is not in whole blocks of its storage is not opened with O_DIRECT.
  return {plan.block_bytes > 512 ? (bytes / plan.block_bytes + 1) * plan.block_bytes : bytes};
}

Deed Draw::deed(const DiskPlan& plan) {
  if (plan.hostile && random_.chance(0.7)) {
    return Misbehave{static_cast<unsigned>(random_.between(1, 20))};
  }
  return random_.chance(0.6) ? quiet_deed(plan) : rough_deed(plan);
}

Deed Draw::quiet_deed(const DiskPlan& plan) {
  switch (random_.below(9)) {
    case 0:
      return AttachDisk{};
    case 1:
      return ReloadDriver{frontend(plan)};
    case 2:
      return DetachDisk{};
    case 3:
      return random_.chance(0.5) ? Deed(RestartDaemon{max_persistent_grants()})
                                 : Deed(AttachDisk{});
    case 4:
      return growth(plan);
    default:
      return RunLoad{load()};
  }
}

Deed Draw::rough_deed(const DiskPlan& plan) {
  switch (random_.below(14)) {
    case 0:
      return StartOtherKernel{frontend(plan)};
    case 1:
      return ForceDetach{};
    case 2:
      return DestroyGuest{};
    case 3:
      return PauseGuest{time(1ms, 300ms)};
    case 4:
      return HangStorage{time(1ms, random_.chance(0.1) ? 15s : 500ms)};
    case 5:
      return HoldOpens{time(1ms, random_.chance(0.1) ? 15s : 500ms)};
    case 6:
      return ChangeScript{time(1ms, random_.chance(0.1) ? 45s : 300ms),
                          random_.chance(0.8)   ? "connected"
                          : random_.chance(0.5) ? "error"
                                                : ""};
    case 7:
      return storage();
    case 8:
    case 9:
      return FillStorage{time(1ms, random_.chance(0.3) ? 5s : 300ms),
                         random_.chance(0.5) ? 1 : 0.3};
    case 10:
      return policy();
    case 11:
      return ResumeDisk{};
    default:
      return AttachDisk{};
  }
}

}  // namespace

Scenario random_scenario(uint64_t seed) {
  return Draw(seed).scenario();
}

}  // namespace tapring::sim
