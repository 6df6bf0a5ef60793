// SPDX-License-Identifier: MIT
#include "daemon/vbd/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/datapath/journal_store.h"
#include "daemon/vbd/stale_records.h"
#include "daemon/xenstore/own_vbds.h"
#include "daemon/xenstore/xenstore_update.h"

namespace tapring {
namespace {

constexpr const char* kGone = "it is gone";

}  // namespace

Server::Server(const ServerPorts& ports, ServerSettings settings)
    : store_(ports.store),
      problems_(std::move(settings.problems)),
      kinds_(std::move(settings.kinds)),
      marker_(std::move(settings.marker)),
      neighbours_(std::move(settings.neighbours)),
      workers_(ports.workers),
      control_(ports.control, log_limit_),
      context_{ports.store,
               control_,
               ports.background,
               ports.timer,
               ports.blkback,
               workers_,
               ports.journals,
               ports.witnesses,
               log_limit_,
               0,
               settings.offer,
               std::move(settings.open_disk),
               settings.errors,
               settings.lock_wait,
               settings.plain_lines,
               [this](const FileId& file, const Device& but) { return user_of(file, but); },
               [this](const Device& disk) { return twin_of(disk); },
               [this](const VbdName& name) { forget(name); },
               settings.max_disks,
               [this] { return has_room(); }} {}

void Server::configure(ServerSettings settings) {
  context_.open_disk = std::move(settings.open_disk);
  context_.max_disks = settings.max_disks;
  context_.errors = settings.errors;
  context_.lock_wait = settings.lock_wait;
  context_.plain_lines = settings.plain_lines;
  problems_ = std::move(settings.problems);
  for (const auto& [name, device] : devices_) {
    device->policy_wrote();
    schedule(name);
  }
}

void Server::start(Work serving) {
  serving_ = std::move(serving);
  store_.deliver_to([this](const WatchEvent& event) { on_event(event); });
  store_.connect([this] { on_connected(); });
}

/// On each new connection, before any node is read: a node that is missing may have been lost with
/// xenstored's contents instead of being removed by the toolstack.
void Server::on_connected() {
  context_.backend_domain = own_domain(store_);
  if (!devices_.empty() && !store_.read(marker_)) keep_disks();
  // Keys that were written without a connection caused no event, and the watches that fire now
  // name none of them.
  for (const auto& [name, device] : devices_) device->policy_wrote();
  if (serving_) drop_stale_records();
  was_empty_ = false;
  write_marker();
  watch_kinds();
  if (serving_) std::exchange(serving_, nullptr)();
}

/// Each watch fires once at its start, which scans the nodes that are there.
void Server::watch_kinds() {
  for (; watched_ < kinds_.size(); ++watched_) {
    const std::string& kind = kinds_[watched_];
    store_.watch(fmt::format("{}/{}", backend_root(context_.backend_domain), kind), kind);
  }
  if (watched_ > kinds_.size()) return;
  store_.watch(kReleaseDomain, kReleaseDomain);
  ++watched_;
}

/// xenstored has lost its contents, so our disks' nodes are missing although nobody removed them.
void Server::keep_disks() {
  const auto kept = std::ranges::count_if(
      devices_, [](const auto& entry) { return entry.second->survive_store_loss(); });
  spdlog::error(
      "xenstore has lost what was in it: {} connected disk(s) are served on, until "
      "tapringd ends",
      kept);
}

void Server::drop_stale_records() {
  for (const std::string& disk : context_.journals.disks()) {
    if (is_stale_record(store_, context_.backend_domain, disk)) context_.journals.remove(disk);
  }
  for (const std::string& disk : context_.witnesses.disks()) {
    if (is_stale_record(store_, context_.backend_domain, disk)) context_.witnesses.remove(disk);
  }
}

void Server::write_marker() {
  const std::string home = fmt::format("/local/domain/{}", context_.backend_domain);
  try {
    update(store_, home, {"domid"}, {{marker_, "1"}});
  } catch (const XenstoreLost&) {
    throw;
  } catch (const std::system_error& refusal) {
    // Without the marker a disk that is removed while there is no connection is served on.
    spdlog::warn("{}", refusal.what());
  }
}

void Server::on_event(const WatchEvent& event) {
  if (event.token == kReleaseDomain) return control_.post([this] { check_domains(); });
  // A frontend's state is watched with its node's path as the token.
  if (const auto name = parse_vbd_path(event.token, context_.backend_domain)) {
    const auto known = devices_.find(*name);
    if (known != devices_.end()) known->second->frontend_wrote();
    return schedule(*name);
  }
  if (const auto name = parse_vbd_path(event.path, context_.backend_domain)) {
    const auto known = devices_.find(*name);
    if (known != devices_.end() && known->second->is_policy(event.path)) {
      known->second->policy_wrote();
      return schedule(*name);
    }
    if (known != devices_.end() && known->second->is_of_spec(event.path)) {
      known->second->spec_wrote();
      return schedule(*name);
    }
    const bool matters = known == devices_.end() || known->second->concerns(event.path);
    return matters ? schedule(*name) : void();
  }
  control_.post([this, kind = event.token] { scan(kind); });
}

void Server::scan(const std::string& kind) {
  for (const VbdName& name : list_vbds(store_, context_.backend_domain, kind)) schedule(name);
  for (const auto& [name, device] : devices_) {
    if (name.kind == kind) schedule(name);
  }
  if (pending_.empty()) tell_if_empty();
}

void Server::check_domains() {
  std::vector<std::shared_ptr<Device>> orphaned;
  for (const auto& [name, device] : devices_) {
    const bool own = name.domain == context_.backend_domain;
    if (!own && !store_.domain_alive(name.domain)) orphaned.push_back(device);
  }
  for (const auto& device : orphaned) {
    guarded(device->name(), [&device] { device->frontend_died(); });
  }
}

/// An error of one disk, such as a write that xenstored refuses, must not keep the others waiting.
void Server::guarded(const VbdName& name, const std::function<void()>& work) {
  try {
    work();
  } catch (const XenstoreLost& loss) {
    spdlog::debug("{}: {}", name.sysfs_name(), loss.what());
  } catch (const std::exception& error) {
    log_limit_.log(spdlog::level::err, name.sysfs_name(), "{}", error.what());
  }
}

void Server::schedule(const VbdName& name) {
  pending_.insert(name);
  if (!std::exchange(advance_posted_, true)) control_.post([this] { advance_pending(); });
}

void Server::advance_pending() {
  advance_posted_ = false;
  const std::set<VbdName> pending = std::exchange(pending_, {});
  for (const VbdName& name : pending) guarded(name, [&] { advance(name); });
  tell_if_empty();
}

void Server::advance(const VbdName& name) {
  const std::shared_ptr<Device> device = device_of(name);
  if (!device || !device->load_spec()) return;
  // advance() reads the present state, so it covers all events of this device up to now.
  store_.take_events();
  pending_.erase(name);
  device->advance();
}

/// Null if xenstore has no such node.
std::shared_ptr<Device> Server::device_of(const VbdName& name) {
  const auto known = devices_.find(name);
  if (known != devices_.end()) return known->second;
  if (!store_.read(name.backend_path(context_.backend_domain) + "/frontend")) return nullptr;
  const auto made = devices_.emplace(name, std::make_shared<Device>(context_, name)).first;
  tell_if_empty();
  return made->second;
}

void Server::forget(const VbdName& name) {
  devices_.erase(name);
  log_limit_.forget(name.sysfs_name());
  tell_if_empty();
  // The toolstack may have made a new one of the same name by now.
  schedule(name);
}

bool Server::has_room() const {
  const auto own = static_cast<uint64_t>(
      std::ranges::count_if(devices_, [](const auto& entry) { return entry.second->is_ours(); }));
  return own + (neighbours_ ? neighbours_->disks_elsewhere(own) : 0) < context_.max_disks;
}

void Server::tell_if_empty() {
  if (neighbours_ && std::exchange(was_empty_, devices_.empty()) != devices_.empty()) {
    neighbours_->tell_empty(devices_.empty());
  }
}

const Device* Server::user_of(const FileId& file, const Device& but) const {
  const auto found = std::ranges::find_if(devices_, [&](const auto& entry) {
    return entry.second.get() != &but && entry.second->uses(file);
  });
  return found == devices_.end() ? nullptr : found->second.get();
}

const Device* Server::twin_of(const Device& disk) const {
  const auto found = std::ranges::find_if(
      devices_, [&disk](const auto& entry) { return entry.second->is_twin_of(disk); });
  return found == devices_.end() ? nullptr : found->second.get();
}

void Server::check_sizes() {
  for (const auto& [name, device] : devices_) device->check_size();
}

void Server::check_guests() {
  if (context_.backend_domain != 0) control_.post([this] { check_domains(); });
}

void Server::shut_down() {
  for (const auto& [name, device] : devices_) device->shut_down();
}

bool Server::idle() const {
  return std::ranges::all_of(devices_, [](const auto& entry) { return entry.second->idle(); });
}

std::string Server::adopt(const VbdName& name) {
  const auto device = devices_.find(name);
  return device == devices_.end() ? "there is no such disk" : device->second->adopt();
}

std::string Server::release(const VbdName& name) {
  const auto device = devices_.find(name);
  return device == devices_.end() ? "there is no such disk" : device->second->release();
}

std::vector<DiskReport> Server::report() const {
  std::vector<DiskReport> reports;
  for (const auto& [name, device] : devices_) reports.push_back(device->report());
  return reports;
}

std::vector<std::string> Server::problems() const {
  std::vector<std::string> problems = problems_;
  if (!store_.absence().empty()) {
    problems.push_back(
        fmt::format("xenstore is away, so that no disk can come or go: {}", store_.absence()));
  }
  return problems;
}

std::string Server::resume(const VbdName& disk) {
  const auto known = devices_.find(disk);
  return known == devices_.end() ? kGone : known->second->resume();
}

std::string Server::set_policy(const VbdName& disk, const PolicyWords& words) {
  const auto known = devices_.find(disk);
  return known == devices_.end() ? kGone : known->second->set_policy(words);
}

}  // namespace tapring
