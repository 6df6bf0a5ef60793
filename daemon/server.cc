// SPDX-License-Identifier: MIT
#include "daemon/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace tapring {
namespace {

constexpr const char* kDomainsWatch = "@releaseDomain";

}  // namespace

Server::Server(const ServerPorts& ports, ServerSettings settings)
    : store_(ports.store),
      kinds_(std::move(settings.kinds)),
      workers_(ports.workers),
      control_(ports.control, log_limit_),
      context_{ports.store,
               control_,
               ports.background,
               ports.timer,
               ports.blkback,
               workers_,
               log_limit_,
               0,
               settings.offer,
               std::move(settings.open_disk),
               [this](const VbdName& name) { forget(name); }} {}

void Server::start() {
  // Relative paths are in the directory of our own domain, which may be a driver domain.
  const auto own = parse_decimal(store_.read("domid").value_or(""));
  if (!own) throw std::runtime_error("xenstore does not say which domain this is (key domid)");
  context_.backend_domain = static_cast<DomainId>(*own);
  store_.deliver_to([this](const WatchEvent& event) { on_event(event); });
  // Each watch fires at once, which scans what is there.
  for (const std::string& kind : kinds_) {
    store_.watch(fmt::format("{}/{}", backend_root(context_.backend_domain), kind), kind);
  }
  store_.watch(kDomainsWatch, kDomainsWatch);
}

void Server::on_event(const WatchEvent& event) {
  if (event.token == kDomainsWatch) return control_.post([this] { check_domains(); });
  // A frontend's state is watched with its node's path as the token.
  if (const auto name = parse_vbd_path(event.token, context_.backend_domain)) {
    const auto known = devices_.find(*name);
    if (known != devices_.end()) known->second->frontend_wrote();
    return touch(*name);
  }
  if (const auto name = parse_vbd_path(event.path, context_.backend_domain)) {
    const auto known = devices_.find(*name);
    const bool matters = known == devices_.end() || known->second->concerns(event.path);
    return matters ? touch(*name) : void();
  }
  control_.post([this, kind = event.token] { scan(kind); });
}

void Server::scan(const std::string& kind) {
  const std::string root = fmt::format("{}/{}", backend_root(context_.backend_domain), kind);
  for (const std::string& domain : store_.list(root)) {
    for (const std::string& device : store_.list(fmt::format("{}/{}", root, domain))) {
      const auto name =
          parse_vbd_path(fmt::format("{}/{}/{}", root, domain, device), context_.backend_domain);
      if (name) touch(*name);
    }
  }
  for (const auto& [name, device] : devices_) {
    if (name.kind == kind) touch(name);
  }
}

void Server::check_domains() {
  std::vector<std::shared_ptr<Device>> bereaved;
  for (const auto& [name, device] : devices_) {
    const bool own = name.domain == context_.backend_domain;
    if (!own && !store_.domain_alive(name.domain)) bereaved.push_back(device);
  }
  for (const auto& device : bereaved) device->frontend_died();
}

void Server::touch(const VbdName& name) {
  touched_.insert(name);
  if (!std::exchange(advance_posted_, true)) control_.post([this] { advance_touched(); });
}

void Server::advance_touched() {
  advance_posted_ = false;
  const std::set<VbdName> touched = std::exchange(touched_, {});
  for (const VbdName& name : touched) {
    try {
      advance(name);
    } catch (const std::exception& error) {
      log_limit_.log(spdlog::level::err, name.sysfs_name(), "{}", error.what());
    }
  }
}

void Server::advance(const VbdName& name) {
  const std::shared_ptr<Device> device = device_of(name);
  if (!device || !device->learn_spec()) return;
  // The look that follows sees what any event of this device that is here by now tells of.
  store_.take_events();
  touched_.erase(name);
  device->advance();
}

/// Null while there is nothing in xenstore to make one of.
std::shared_ptr<Device> Server::device_of(const VbdName& name) {
  const auto known = devices_.find(name);
  if (known != devices_.end()) return known->second;
  if (!store_.read(name.backend_path(context_.backend_domain) + "/frontend")) return nullptr;
  return devices_.emplace(name, std::make_shared<Device>(context_, name)).first->second;
}

void Server::forget(const VbdName& name) {
  devices_.erase(name);
  log_limit_.forget(name.sysfs_name());
  // The toolstack may have made a new one of the same name by now.
  touch(name);
}

void Server::check_sizes() {
  for (const auto& [name, device] : devices_) device->check_size();
}

void Server::shut_down() {
  for (const auto& [name, device] : devices_) device->shut_down();
}

bool Server::idle() const {
  return std::ranges::all_of(devices_, [](const auto& entry) { return entry.second->idle(); });
}

std::vector<DiskReport> Server::report() const {
  std::vector<DiskReport> reports;
  for (const auto& [name, device] : devices_) reports.push_back(device->report());
  return reports;
}

}  // namespace tapring
