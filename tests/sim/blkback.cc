// SPDX-License-Identifier: MIT
#include "tests/sim/blkback.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include "ring/sizes.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;

/// "vbd-1-51712" is .../backend/vbd/1/51712.
std::string backend_of(const std::string& name) {
  std::string path = name;
  std::ranges::replace(path, '-', '/');
  return "/local/domain/0/backend/" + path;
}

std::optional<Port> port_in(const std::optional<std::string>& text) {
  Port port = 0;
  if (!text) return std::nullopt;
  std::from_chars(text->data(), text->data() + text->size(), port);
  return port;
}

FileId file_at(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? file_id_of(status) : FileId{};
}

/// As the kernel knows a file by that was at `path`, and has stayed in its directory.
std::string path_now(const std::string& path, const FileId& file) {
  if (file_at(path) == file) return path;
  const auto directory = std::filesystem::path(path).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (file_at(entry.path()) == file) return entry.path();
  }
  return path + " (deleted)";
}

}  // namespace

void SimBlkback::make_loop_device(const std::string& number, const std::string& path) {
  std::error_code none;
  const auto bytes = std::filesystem::file_size(path, none);
  if (none) return;
  loop_devices_[number] = {{"/dev/loop" + number, {}, bytes, BlockDevice::Loop{path}},
                           file_at(path)};
}

std::optional<BlockDevice> SimBlkback::block_device(const std::string& number) const {
  const auto found = loop_devices_.find(number);
  if (found == loop_devices_.end()) return std::nullopt;
  BlockDevice device = found->second.device;
  device.loop->file = path_now(device.loop->file, found->second.file);
  return device;
}

Error SimBlkback::unbind(const std::string& name, bool /*coming*/,
                         std::chrono::milliseconds /*patience*/) const {
  const auto found = devices_.find(name);
  if (found == devices_.end()) return {};
  if (unbind_error_) return unbind_error_;
  world_.after(finishing_, [this, ends = std::move(found->second)] {
    for (const EventEnd end : ends) machine_.events().close(end);
  });
  devices_.erase(found);
  store_.unwatch(backend_of(name) + "/state", name, watcher_);
  return {};
}

std::shared_ptr<const void> SimBlkback::without_persistent_grants() const {
  limits_.persistent_grants = false;
  return {this, [this](const void*) { limits_.persistent_grants = true; }};
}

Error SimBlkback::bind(const std::string& name) const {
  if (bind_error_) return bind_error_;
  devices_[name];
  store_.watch(backend_of(name) + "/state", name, watcher_);
  store_.write({{backend_of(name) + "/state", "2"}});
  world_.after(5ms, [this, name] { connect(name); });
  return {};
}

void SimBlkback::changed(const std::string& watched, const std::string& token,
                         const std::string& /*path*/) {
  const std::string state = store_.read(watched).value_or("");
  if (state == "5" || state.empty()) world_.after(1ms, [this, token] { close(token); });
}

void SimBlkback::close(const std::string& name) const {
  if (!devices_.contains(name)) return;
  static_cast<void>(unbind(name, false, {}));
  const std::string state = backend_of(name) + "/state";
  if (store_.exists(state)) store_.write({{state, "6"}});
}

void SimBlkback::connect(const std::string& name) const {
  const auto device = devices_.find(name);
  const std::string backend = backend_of(name);
  if (device == devices_.end() || !store_.exists(backend)) return;
  const std::string frontend = store_.read(backend + "/frontend").value_or("");
  keeps_pages_[name] =
      limits_.persistent_grants && store_.read(frontend + "/feature-persistent") == "1";
  const auto domain = static_cast<DomainId>(*port_in(store_.read(backend + "/frontend-id")));
  for (const std::string& key : {std::string("event-channel"), std::string("queue-0/event-channel"),
                                 std::string("queue-1/event-channel")}) {
    const auto port = port_in(store_.read(frontend + "/" + key));
    if (!port) continue;
    const auto end = machine_.events().bind(0, {domain, *port}, [] {});
    if (end) device->second.push_back(*end);
  }
  const auto storage = block_device(store_.read(backend + "/physical-device").value_or(""));
  if (!storage) return;
  store_.write({{backend + "/sectors", std::to_string(storage->size_bytes / kSectorBytes)},
                {backend + "/state", "4"}});
}

}  // namespace tapring::sim
