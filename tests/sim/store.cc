// SPDX-License-Identifier: MIT
#include "tests/sim/store.h"

#include <algorithm>
#include <utility>

namespace tapring::sim {

bool is_at_or_below(std::string_view path, std::string_view directory) noexcept {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::optional<std::string> SimStore::read(const std::string& path) const {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return std::nullopt;
  return found->second.value;
}

uint64_t SimStore::generation(const std::string& path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? 0 : found->second.generation;
}

std::vector<std::string> SimStore::list(const std::string& directory) const {
  const std::string prefix = directory + '/';
  std::vector<std::string> children;
  for (auto node = nodes_.lower_bound(prefix); node != nodes_.end(); ++node) {
    if (!node->first.starts_with(prefix)) break;
    const std::string child = node->first.substr(prefix.size());
    if (child.find('/') == std::string::npos) children.push_back(child);
  }
  return children;
}

void SimStore::write(const StoreKeys& keys) {
  for (const auto& [path, value] : keys) make(path, value);
  for (const auto& [path, value] : keys) fire(path);
}

void SimStore::make(const std::string& path, std::string value) {
  make_directory_of(path);
  const auto before = observer_ ? read(path) : std::nullopt;
  nodes_[path] = {std::move(value), ++generation_};
  if (observer_) observer_(path, before, nodes_[path].value);
}

void SimStore::make_directory_of(const std::string& path) {
  if (nodes_.contains(path)) return;
  for (std::size_t slash = path.rfind('/'); slash > 0; slash = path.rfind('/', slash - 1)) {
    const auto [directory, is_new] = nodes_.try_emplace(path.substr(0, slash));
    directory->second.generation = ++generation_;
    if (!is_new) return;
  }
}

void SimStore::remove(const std::string& directory) {
  const auto found = nodes_.find(directory);
  if (found == nodes_.end()) return;
  if (observer_) observer_(directory, found->second.value, std::nullopt);
  nodes_.erase(found);
  touch_directory_of(directory);
  std::vector<std::string> below;
  const std::string prefix = directory + '/';
  auto node = nodes_.lower_bound(prefix);
  while (node != nodes_.end() && node->first.starts_with(prefix)) {
    below.push_back(node->first);
    if (observer_) observer_(node->first, node->second.value, std::nullopt);
    node = nodes_.erase(node);
  }
  fire(directory);
  for (const std::string& path : below) fire_exactly(path);
}

void SimStore::touch_directory_of(const std::string& path) {
  const auto directory = nodes_.find(path.substr(0, path.rfind('/')));
  if (directory != nodes_.end()) directory->second.generation = ++generation_;
}

void SimStore::come_between(const StoreKeys& about_to_be_written) {
  do_put_off();
  if (!interruption_) return;
  // What it does itself is not interrupted.
  Interruption interruption = std::exchange(interruption_, {});
  interruption(about_to_be_written);
  if (!interruption_) interruption_ = std::move(interruption);
}

void SimStore::do_put_off() {
  for (Work& work : std::exchange(put_off_, {})) work();
}

void SimStore::watch(const std::string& path, const std::string& token, StoreWatcher& watcher) {
  watches_.push_back({path, token, &watcher});
  watcher.changed(path, token, path);
}

void SimStore::unwatch(const std::string& path, const std::string& token, StoreWatcher& watcher) {
  std::erase_if(watches_, [&](const Watch& watch) {
    return watch.path == path && watch.token == token && watch.watcher == &watcher;
  });
}

void SimStore::unwatch_all(StoreWatcher& watcher) {
  std::erase_if(watches_, [&](const Watch& watch) { return watch.watcher == &watcher; });
}

void SimStore::announce(const std::string& special_path) {
  fire_exactly(special_path);
}

void SimStore::fire(const std::string& changed) {
  for (const Watch& watch : watches_) {
    if (is_at_or_below(changed, watch.path)) {
      watch.watcher->changed(watch.path, watch.token, changed);
    }
  }
}

void SimStore::fire_exactly(const std::string& removed) {
  for (const Watch& watch : watches_) {
    if (watch.path == removed) watch.watcher->changed(watch.path, watch.token, removed);
  }
}

}  // namespace tapring::sim
