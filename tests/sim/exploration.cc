// SPDX-License-Identifier: MIT
#include "tests/sim/exploration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "tests/sim/qcow2_image.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

using Progress = SimToolstack::Progress;

constexpr Time kPatience = 30s;
constexpr Time kSizesLookedAt = 700ms;  ///< more often than by main(): lives are short here
constexpr Time kWaitedForAnOpen = 6s;   ///< by a disk that is to close, at least
constexpr Time kNoticed = 1s;           ///< absence of a control process: some wait for it then
constexpr Time kAnswered = 1200ms;      ///< by a control process, at most

}  // namespace

Exploration::Exploration(Scenario scenario, Log log)
    : scenario_(std::move(scenario)),
      log_(std::move(log)),
      host_(scenario_.seed, scenario_.max_persistent_grants, DomainId{0}, scenario_.workers,
            scenario_.errors, scenario_.isolation),
      state_observer_(host_),
      misbehaviour_(host_) {
  if (log_) {
    state_observer_.report_to([this](const std::string& line) { this->log(line); });
    log_(fmt::format("{} workers; {}; isolation = {}", scenario_.workers,
                     describe(scenario_.errors), name_of(scenario_.isolation)));
  }
  for (const DiskPlan& plan : scenario_.disks) {
    const std::size_t number = disks_.size();
    if (log_) log_(fmt::format("disk {}: {}", number, describe(plan)));
    disks_.push_back(std::make_unique<ExploredDisk>(host_, plan, number));
  }
  look_at_sizes();
  if (!has_deed<PowerOff>(scenario_)) return;
  for (const auto& disk : disks_) host_.make_losable(disk->line(), disk->image());
}

std::vector<std::string> Exploration::run() {
  try {
    for (const Act& act : scenario_.acts) {
      if (act.at > host_.world().now()) host_.world().run_for(act.at - host_.world().now());
      if (!sound()) return faults_;
      play(act);
    }
    host_.world().run_for(50ms);
    log("the end begins");
    mend_storage();
    destroy_hostile_guests();
    finish_requests();
    if (sound()) expect_sizes_seen();
    if (sound()) expect_current_workers();
    if (sound()) detach_all();
    for (const auto& disk : disks_) {
      if (sound() && !disk->hostile()) live_once_more(*disk);
    }
    sound();
  } catch (const std::exception& error) {
    faults_.push_back(error.what());
  }
  return faults_;
}

void Exploration::play(const Act& act) {
  log(describe(act));
  std::visit([&](const auto& deed) { perform(*disks_[act.disk], deed); }, act.deed);
}

void Exploration::perform(ExploredDisk& disk, const AttachDisk& /*deed*/) {
  if (!disk.present()) attach(disk);
}

void Exploration::perform(ExploredDisk& disk, const RunLoad& deed) {
  disk.run(deed.options);
}

void Exploration::perform(ExploredDisk& disk, const ReloadDriver& deed) {
  if (!disk.connected()) return;
  disk.frontend()->become(deed.next);
  disk.frontend()->close();
  disk.frontend()->reload();
}

void Exploration::perform(ExploredDisk& disk, const StartOtherKernel& deed) {
  if (disk.connected()) disk.frontend()->kexec(deed.next);
}

void Exploration::perform(ExploredDisk& disk, const DetachDisk& /*deed*/) {
  in_the_middle([this, &disk] {
    if (disk.present()) host_.toolstack().detach(disk.line().name);
  });
}

void Exploration::perform(ExploredDisk& disk, const ForceDetach& /*deed*/) {
  in_the_middle([this, &disk] {
    if (disk.present()) host_.toolstack().force_detach(disk.line().name);
  });
}

void Exploration::perform(ExploredDisk& disk, const DestroyGuest& /*deed*/) {
  const auto guest = guests_.find(disk.plan().guest);
  if (guest == guests_.end()) return;
  for (const auto& other : disks_) {
    if (other->plan().guest == guest->first && other->frontend() != nullptr) {
      other->frontend()->die();
    }
  }
  host_.toolstack().destroy(guest->second);
  guests_.erase(guest);
}

void Exploration::perform(ExploredDisk& disk, const PauseGuest& deed) {
  if (!disk.connected()) return;
  SimFrontend& frontend = *disk.frontend();
  frontend.pause();
  host_.world().after(deed.time, [&frontend] { frontend.resume(); });
}

void Exploration::perform(ExploredDisk& /*disk*/, const RestartDaemon& deed) {
  host_.restart(deed.max_persistent_grants);
}

void Exploration::perform(ExploredDisk& /*disk*/, const KillDaemon& deed) {
  if (!deed.after_stores) return kill(deed);
  host_.journals().at_store(*deed.after_stores, [this, deed] { kill(deed); });
}

void Exploration::kill(const KillDaemon& deed) {
  host_.kill();
  for (const auto& disk : disks_) disk->excuse_delay();
  host_.world().after(deed.until_next, [this] {
    if (!host_.running()) host_.start();
  });
}

void Exploration::perform(ExploredDisk& /*disk*/, const KillControl& deed) {
  if (!host_.has_workers()) return;
  if (deed.is_upgrade) host_.workers().upgrade();
  // Rings are served on: only what comes or goes waits.
  if (deed.until_next > kNoticed) {
    for (const auto& disk : disks_) disk->excuse_delay();
  }
  host_.kill_control(deed.until_next);
}

/// What other guests have is served on, and so is this disk, soon.
void Exploration::perform(ExploredDisk& disk, const KillWorker& /*deed*/) {
  if (const auto worker = worker_of(disk)) worker->die();
}

void Exploration::perform(ExploredDisk& disk, const OutdateWorker& /*deed*/) {
  if (const auto worker = worker_of(disk)) worker->say_outdated();
}

void Exploration::perform(ExploredDisk& /*disk*/, const DieAtMessage& deed) {
  host_.message_deaths().at_message(deed.number, deed.victim);
}

std::shared_ptr<SimWorkerProcess> Exploration::worker_of(const ExploredDisk& disk) {
  for (const auto& worker : host_.workers().running()) {
    for (const DiskReport& report : worker->server().report()) {
      if (report.domain == disk.line().name.domain && report.device == disk.line().name.device) {
        return worker;
      }
    }
  }
  return nullptr;
}

void Exploration::perform(ExploredDisk& /*disk*/, const LoseXenstore& deed) {
  if (deed.call > 0) return host_.xenstored().go_away_at(deed.call, deed.time);
  in_the_middle([this, deed] { host_.xenstored().go_away(deed.time); });
}

void Exploration::perform(ExploredDisk& /*disk*/, const PowerOff& /*deed*/) {
  host_.power_off();
  guests_.clear();
}

void Exploration::perform(ExploredDisk& disk, const ChangeStorage& deed) {
  FileBehaviour& behaviour = host_.storage().behaviour(disk.image());
  behaviour.latency = deed.latency;
  behaviour.latencies = deed.latencies;
  behaviour.error_probability = deed.error_probability;
  behaviour.short_probability = deed.short_probability;
  behaviour.fault = [deed](const FileOperation& operation) {
    switch (operation.kind) {
      case FileOperation::Kind::write:
        return system_error_code(deed.write_error);
      case FileOperation::Kind::sync:
        return system_error_code(deed.sync_error);
      default:
        return Error{};
    }
  };
  if (deed.write_error != 0) disk.fail(deed.write_error);
  if (deed.error_probability > 0 || deed.sync_error != 0) disk.spoil();
}

void Exploration::perform(ExploredDisk& disk, const FillStorage& deed) {
  disk.fail(ENOSPC);
  FileBehaviour& behaviour = host_.storage().behaviour(disk.image());
  behaviour.fault = [&random = host_.world().random(), deed](const FileOperation& operation) {
    const bool fails =
        operation.kind == FileOperation::Kind::write && random.chance(deed.probability);
    return system_error_code(fails ? ENOSPC : 0);
  };
  host_.world().after(deed.time, [&behaviour] { behaviour.fault = {}; });
}

void Exploration::perform(ExploredDisk& disk, const ChangePolicy& deed) {
  if (!host_.running()) return;
  try {
    if (host_.daemon().set_policy(disk.name(), deed.words).empty()) disk.change_policy(deed.words);
  } catch (const std::system_error&) {
    disk.spoil();  // xenstore is away: it may have been written, or not
  }
}

void Exploration::perform(ExploredDisk& disk, const ResumeDisk& /*deed*/) {
  if (host_.running()) host_.daemon().resume(disk.name());
}

void Exploration::perform(ExploredDisk& disk, const GrowImage& deed) {
  disk.grow(deed.bytes);
}

void Exploration::perform(ExploredDisk& disk, const HangStorage& deed) {
  disk.excuse_delay();
  host_.storage().hang(disk.image());
  host_.world().after(
      deed.time, [&storage = host_.storage(), image = disk.image()] { storage.release(image); });
}

void Exploration::perform(ExploredDisk& /*disk*/, const HoldOpens& deed) {
  for (const auto& disk : disks_) disk->excuse_delay();
  if (deed.time > kWaitedForAnOpen) opens_hung_ = true;
  host_.background().hold();
  host_.world().after(deed.time, [&background = host_.background()] {
    background.stop_holding();
    background.release();
  });
}

void Exploration::perform(ExploredDisk& /*disk*/, const ChangeScript& deed) {
  host_.toolstack().script_takes(deed.takes);
  host_.toolstack().script_writes(deed.writes);
}

void Exploration::perform(ExploredDisk& disk, const Misbehave& deed) {
  if (disk.hostile() && disk.frontend() != nullptr) misbehaviour_.of(*disk.frontend(), deed.times);
}

/// Of a transaction that is under way soon, of the daemon or of a guest; else soon.
void Exploration::in_the_middle(Work work) {
  host_.store().put_off(std::move(work));
  host_.world().after({0ms, 20ms}, [&store = host_.store()] { store.do_put_off(); });
}

DomainId Exploration::guest_of(const ExploredDisk& disk) {
  const auto [guest, is_new] = guests_.try_emplace(disk.plan().guest);
  if (is_new) guest->second = ++domains_;
  return guest->second;
}

void Exploration::attach(ExploredDisk& disk) {
  disk.attach(guest_of(disk));
  state_observer_.expect_of(
      disk.line(), {.closed = [this, &disk] { return closed(disk); }, .sound = !disk.hostile()});
}

std::string Exploration::closed(ExploredDisk& disk) {
  // An open that hangs for long is not waited for, and a hostile guest may forget what it granted.
  if (disk.hostile() || opens_hung_) return {};
  const std::string held = disk.held();
  if (held.empty()) disk.model().settle();
  return held;
}

void Exploration::mend_storage() {
  host_.message_deaths().stop();
  host_.journals().at_store(0, nullptr);
  if (!host_.running()) host_.start();
  host_.xenstored().come_back();
  host_.run_until([this] { return host_.problems().empty(); });
  host_.toolstack().script_takes(100ms);
  host_.toolstack().script_writes("connected");
  host_.background().stop_holding();
  host_.background().release();
  for (const auto& disk : disks_) {
    disk->mend_storage();
    host_.storage().release(disk->image());
  }
}

void Exploration::destroy_hostile_guests() {
  for (const auto& disk : disks_) {
    if (disk->hostile()) perform(*disk, DestroyGuest{});
  }
}

void Exploration::finish_requests() {
  const auto busy = [](const auto& disk) { return !disk->hostile() && disk->busy(); };
  expect(host_.run_until([&] { return std::ranges::none_of(disks_, busy); }, kPatience),
         "requests are not answered");
}

void Exploration::look_at_sizes() {
  host_.check_sizes();
  ask_control();
  host_.world().after(kSizesLookedAt, [this] { look_at_sizes(); });
}

/// Whatever becomes of its workers, a control process that lives on answers.
void Exploration::ask_control() {
  const auto answered = std::make_shared<bool>(!host_.has_workers() || !host_.running());
  host_.ask(R"({"command":"list"})", [answered](const std::string&) { *answered = true; });
  host_.world().after(kAnswered, [this, answered, starts = host_.starts()] {
    if (host_.running() && host_.starts() == starts) {
      expect(*answered, "the control process does not answer");
    }
  });
}

void Exploration::expect_current_workers() {
  const auto is_old = [this](const auto& worker) {
    return worker->is_outdated() || worker->version() != host_.workers().version();
  };
  expect(host_.run_until(
             [&] { return std::ranges::none_of(host_.workers().running(), is_old); }, kPatience),
         "a worker process that is outdated is not replaced");
}

void Exploration::expect_sizes_seen() {
  const auto unseen = [this](const auto& disk) {
    return disk->connected() && disk->frontend()->sectors() != disk->sectors() &&
           host_.backend_state(disk->line()) == 4;
  };
  host_.run_until([&] { return std::ranges::none_of(disks_, unseen); }, kPatience);
  for (const auto& disk : disks_) {
    if (!unseen(disk)) continue;
    faults_.push_back(fmt::format("{} has {} sectors for its guest and {} in its image",
                                  backend_directory(disk->line()), disk->frontend()->sectors(),
                                  disk->sectors()));
  }
}

void Exploration::detach_all() {
  for (const auto& disk : disks_) {
    if (disk->hostile() || !disk->present()) continue;
    if (disk->progress() == Progress::detach_refused) disk->frontend()->close();
    FrontendOptions willing = disk->frontend()->options();
    willing.closes_when_asked = true;
    disk->frontend()->become(willing);
    host_.toolstack().detach(disk->line().name);
  }
  const auto present = [](const auto& disk) { return disk->present(); };
  host_.run_until([&] { return std::ranges::none_of(disks_, present); }, kPatience);
  for (const auto& disk : disks_) {
    expect(
        !disk->present(),
        fmt::format("{} is not detached: state {}, daemon says '{}' {}",
                    backend_directory(disk->line()), host_.backend_state(disk->line()),
                    host_.report(disk->line().name).state, host_.report(disk->line().name).reason));
  }
  host_.world().run_for(1s);
  expect(host_.held().empty(), "held after the last detach: " + host_.held());
  expect(host_.journals().disks().empty(), "journals are left after the last detach");
}

void Exploration::live_once_more(ExploredDisk& disk) {
  disk.trust();
  attach(disk);
  const auto directory = backend_directory(disk.line());
  if (!host_.run_until([&] { return disk.connected(); }, kPatience)) {
    return expect(false, fmt::format("{} does not connect: state {}, {}", directory,
                                     host_.backend_state(disk.line()),
                                     host_.report(disk.line().name).reason));
  }
  expect(disk.frontend()->sectors() == disk.sectors(), directory + " is not as large as its image");
  read_all(disk);
  disk.run({.requests = 40, .depth = 8, .most_sectors = 32});
  expect(host_.run_until([&] { return !disk.busy(); }, kPatience),
         directory + " does not answer in its last life");
  host_.toolstack().detach(disk.line().name);
  if (!disk.frontend()->options().closes_when_asked) disk.frontend()->close();
  expect(host_.run_until([&] { return !disk.present(); }, kPatience),
         directory + " is not detached after its last life");
  host_.world().run_for(1s);
  expect(host_.held().empty(), "held after the last life: " + host_.held());
  check_image(disk);
}

/// Whatever was written in all lives of the disk must be there.
void Exploration::check_image(const ExploredDisk& disk) {
  if (!disk.has_clusters()) return;
  const Qcow2Findings found = check_qcow2(disk.image());
  expect(found.corruption.empty(), disk.image() + ": " + found.corruption);
  expect(found.leaks == 0 || may_leak(disk),
         fmt::format("{}: {} clusters leaked", disk.image(), found.leaks));
}

/// A process that ends amid its work leaves clusters behind, and so may a write that fails.
bool Exploration::may_leak(const ExploredDisk& disk) const {
  return disk.ever_failed() || has_deed<KillDaemon, PowerOff, KillWorker, DieAtMessage>(scenario_);
}

void Exploration::read_all(ExploredDisk& disk) {
  constexpr uint64_t kPiece = 8;
  uint64_t next = 0;
  for (const uint64_t sector : disk.model().written()) {
    if (sector < next) continue;
    next = std::min(sector + kPiece, disk.frontend()->sectors());
    disk.frontend()->read(sector, static_cast<uint32_t>(next - sector));
  }
}

bool Exploration::sound() {
  for (const auto& disk : disks_) {
    for (std::string& fault : disk->faults()) faults_.push_back(std::move(fault));
  }
  faults_.insert(faults_.end(), state_observer_.faults().begin(), state_observer_.faults().end());
  return faults_.empty();
}

void Exploration::expect(bool holds, const std::string& what) {
  if (!holds) faults_.push_back(what);
}

void Exploration::log(const std::string& line) {
  if (log_) {
    log_(fmt::format("{:12.6f} s  {}", static_cast<double>(host_.world().now().count()) / 1e9,
                     line));
  }
}

}  // namespace tapring::sim
