// SPDX-License-Identifier: MIT
#include "tests/sim/toolstack.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""s;
constexpr Time kBackendLimit = 10s;  ///< LIBXL_INIT_TIMEOUT and LIBXL_DESTROY_TIMEOUT
constexpr Time kScriptLimit = 40s;   ///< LIBXL_HOTPLUG_TIMEOUT

constexpr const char* kInitialising = "1";
constexpr const char* kInitWait = "2";
constexpr const char* kClosing = "5";
constexpr const char* kClosed = "6";

void add_below(const std::string& directory, const StoreKeys& keys, StoreKeys& all) {
  all[directory] = "";
  for (const auto& [key, value] : keys) all[directory + '/' + key] = value;
}

}  // namespace

std::string loop_device_of(DiskName name) {
  constexpr int kHexadecimal = 16;
  constexpr uint32_t kDisksOfADomain = 256;
  char digits[16];
  const auto [end, error] =
      std::to_chars(std::begin(digits), std::end(digits),
                    name.domain * kDisksOfADomain + name.device % kDisksOfADomain, kHexadecimal);
  return "7:" + std::string(digits, end);
}

std::string backend_directory(const DiskLine& line) {
  return "/local/domain/" + std::to_string(line.backend_domain) + "/backend/" + line.kind + '/' +
         std::to_string(line.name.domain) + '/' + std::to_string(line.name.device);
}

std::string frontend_directory(DiskName name) {
  return "/local/domain/" + std::to_string(name.domain) + "/device/vbd/" +
         std::to_string(name.device);
}

StoreKeys backend_keys(const DiskLine& line) {
  StoreKeys keys{{"frontend", frontend_directory(line.name)},
                 {"frontend-id", std::to_string(line.name.domain)},
                 {"online", "1"},
                 {"removable", "0"},
                 {"bootable", "1"},
                 {"state", kInitialising},
                 {"dev", line.vdev},
                 {"type", line.kind == "vbd" ? "phy" : line.kind},
                 {"mode", line.mode},
                 {"device-type", "disk"},
                 {"discard-enable", line.mode == "w" && line.discard ? "1" : "0"},
                 {"specification", "xen"},
                 {"params", line.params}};
  if (!line.script.empty()) keys["script"] = line.script;
  if (line.kind == "vbd" && line.has_loop_device) {
    keys["physical-device"] = loop_device_of(line.name);
  }
  return keys;
}

StoreKeys frontend_keys(const DiskLine& line) {
  return {{"backend", backend_directory(line)},
          {"backend-id", std::to_string(line.backend_domain)},
          {"state", kInitialising},
          {"virtual-device", std::to_string(line.name.device)},
          {"device-type", "disk"},
          {"trusted", "1"}};
}

SimToolstack::SimToolstack(SimWorld& world, SimMachine& machine, SimStore& store)
    : world_(world),
      machine_(machine),
      store_(store),
      thread_(world),
      xenstore_(world, machine, store, thread_, 0) {
  introduce(0);
  xenstore_.deliver_to([this](const WatchEvent& event) { store_event(event); });
}

void SimToolstack::introduce(DomainId domain) {
  const std::string home = "/local/domain/" + std::to_string(domain);
  if (store_.exists(home)) return;
  store_.set_access(home, {.owner = 0, .named = {{domain, Right::read}}});
  store_.write({{home + "/domid", std::to_string(domain)}});
  if (domain == 0) return;
  // As libxl does for what runs there.
  store_.set_access(home + "/data", {.owner = 0, .named = {{domain, Right::both}}});
}

void SimToolstack::attach(const DiskLine& line) {
  const DomainId guest = line.name.domain;
  introduce(guest);
  store_.set_access(frontend_directory(line.name),
                    {.owner = guest, .named = {{line.backend_domain, Right::read}}});
  store_.set_access(backend_directory(line),
                    {.owner = line.backend_domain, .named = {{guest, Right::read}}});
  StoreKeys all;
  add_below(frontend_directory(line.name), frontend_keys(line), all);
  StoreKeys backend;
  add_below(backend_directory(line), backend_keys(line), backend);
  if (!keys_apart_) all.merge(std::exchange(backend, {}));
  Vbd& vbd = vbds_[line.name];
  vbd = {.line = line, .attempt = ++attempts_};
  store_.write(all);
  write_apart(backend);
  if (line.script.empty()) {
    vbd.progress = Progress::attached;
  } else {
    give_up_after(kBackendLimit, vbd, Progress::failed);
  }
  xenstore_.watch(backend_directory(line) + "/state", std::to_string(vbd.attempt));
}

void SimToolstack::write_apart(const StoreKeys& keys) {
  for (const auto& [path, value] : keys) {
    const Time delay = std::chrono::milliseconds(world_.random().below(50));
    world_.after(delay, [this, path, value] { store_.write({{path, value}}); });
  }
}

void SimToolstack::detach(DiskName name) {
  begin_detach(vbds_.at(name), false);
}

void SimToolstack::force_detach(DiskName name) {
  store_.remove(frontend_directory(name));
  begin_detach(vbds_.at(name), true);
}

void SimToolstack::destroy(DomainId domain) {
  machine_.destroy_domain(domain);
  store_.announce("@releaseDomain");
  for (auto& [name, vbd] : vbds_) {
    if (name.domain == domain && vbd.progress != Progress::gone) force_detach(name);
  }
}

bool SimToolstack::has_nothing() const noexcept {
  return std::ranges::all_of(
      vbds_, [](const auto& entry) { return entry.second.progress == Progress::gone; });
}

void SimToolstack::begin_detach(Vbd& vbd, bool forced) {
  vbd.progress = Progress::detaching;
  vbd.forced = forced;
  const std::string directory = backend_directory(vbd.line);
  store_.write({{directory + "/online", "0"}, {directory + "/state", kClosing}});
  give_up_after(kBackendLimit, vbd, Progress::detach_refused);
}

void SimToolstack::store_event(const WatchEvent& event) {
  for (auto& [name, vbd] : vbds_) {
    if (event.token == std::to_string(vbd.attempt)) backend_changed(vbd);
  }
}

void SimToolstack::backend_changed(Vbd& vbd) {
  const auto state = store_.read(backend_directory(vbd.line) + "/state");
  if (vbd.progress == Progress::waiting && state == kInitWait) run_script(vbd);
  if (vbd.progress == Progress::detaching && state == kClosed) clean_up(vbd);
}

void SimToolstack::run_script(Vbd& vbd) {
  vbd.progress = Progress::in_script;
  give_up_after(kScriptLimit, vbd, Progress::failed);
  world_.after(script_time_,
               [this, name = vbd.line.name, attempt = vbd.attempt, status = script_status_] {
                 Vbd* later = find(name, attempt);
                 if (later == nullptr || later->progress != Progress::in_script) return;
                 if (!status.empty()) {
                   store_.write({{backend_directory(later->line) + "/hotplug-status", status}});
                 }
                 later->progress = status == "connected" ? Progress::attached : Progress::failed;
               });
}

void SimToolstack::clean_up(Vbd& vbd) {
  xenstore_.unwatch(backend_directory(vbd.line) + "/state", std::to_string(vbd.attempt));
  store_.remove(frontend_directory(vbd.line.name));
  store_.remove(backend_directory(vbd.line));
  vbd.progress = Progress::gone;
}

void SimToolstack::give_up_after(Time limit, Vbd& vbd, Progress result) {
  vbd.gives_up_at = world_.now() + limit;
  world_.after(limit, [this, name = vbd.line.name, attempt = vbd.attempt, result,
                       step = vbd.progress, at = vbd.gives_up_at] {
    Vbd* later = find(name, attempt);
    if (later == nullptr || later->progress != step || later->gives_up_at != at) return;
    if (later->forced) {
      clean_up(*later);
    } else {
      later->progress = result;
    }
  });
}

SimToolstack::Vbd* SimToolstack::find(DiskName name, uint64_t attempt) {
  const auto found = vbds_.find(name);
  if (found == vbds_.end() || found->second.attempt != attempt) return nullptr;
  return &found->second;
}

}  // namespace tapring::sim
