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

void SimStore::write(const StoreKeys& keys, DomainId maker) {
  for (const auto& [path, value] : keys) make(path, value, maker);
  for (const auto& [path, value] : keys) fire(path);
}

void SimStore::make(const std::string& path, std::string value, DomainId maker) {
  const auto before = observer_ ? read(path) : std::nullopt;
  make_node(path, maker);
  Node& node = nodes_.at(path);
  node.value = std::move(value);
  node.generation = ++generation_;
  if (observer_) observer_(path, before, node.value);
}

/// False if it was there. Directories that are missing are made first.
bool SimStore::make_node(const std::string& path, DomainId maker) {
  if (nodes_.contains(path)) return false;
  const std::size_t slash = path.rfind('/');
  if (slash > 0) {
    const std::string directory = path.substr(0, slash);
    make_node(directory, maker);
    nodes_.at(directory).generation = ++generation_;
  }
  const Node* above = nearest(path);
  Node node{.value = {}, .generation = ++generation_, .access = {}};
  if (above != nullptr) node.access = above->access;
  if (maker != 0) node.access.owner = maker;
  ++owned_[node.access.owner];
  nodes_.emplace(path, std::move(node));
  return true;
}

const SimStore::Node* SimStore::nearest(const std::string& path) const {
  for (std::size_t end = path.size(); end > 0 && end != std::string::npos;
       end = path.rfind('/', end - 1)) {
    const auto found = nodes_.find(path.substr(0, end));
    if (found != nodes_.end()) return &found->second;
  }
  return nullptr;
}

void SimStore::set_access(const std::string& path, const StoreAccess& access) {
  make_node(path, 0);
  Node& node = nodes_.at(path);
  --owned_[node.access.owner];
  node.access = access;
  ++owned_[access.owner];
}

bool SimStore::permits(DomainId domain, const std::string& path, Right right) const {
  const Node* node = nearest(path);
  return node == nullptr ? domain == 0 : node->access.permits(domain, right);
}

std::size_t SimStore::nodes_of(DomainId owner) const {
  const auto found = owned_.find(owner);
  return found == owned_.end() ? 0 : found->second;
}

std::size_t SimStore::watches_of(DomainId domain) const {
  return static_cast<std::size_t>(std::ranges::count(watches_, domain, &Watch::domain));
}

std::size_t SimStore::node_bytes(const std::string& path) const {
  constexpr std::size_t kHeader = 24;     // xs_tdb_record_hdr
  constexpr std::size_t kPermission = 8;  // xs_permissions
  const auto node = nodes_.find(path);
  if (node == nodes_.end()) return kHeader + 2 * kPermission;
  std::size_t bytes = kHeader + (1 + node->second.access.named.size()) * kPermission;
  for (const std::string& child : list(path)) bytes += child.size() + 1;
  return bytes + node->second.value.size();
}

void SimStore::remove(const std::string& directory) {
  const auto found = nodes_.find(directory);
  if (found == nodes_.end()) return;
  if (observer_) observer_(directory, found->second.value, std::nullopt);
  --owned_[found->second.access.owner];
  nodes_.erase(found);
  touch_directory_of(directory);
  std::vector<std::string> below;
  const std::string prefix = directory + '/';
  auto node = nodes_.lower_bound(prefix);
  while (node != nodes_.end() && node->first.starts_with(prefix)) {
    below.push_back(node->first);
    if (observer_) observer_(node->first, node->second.value, std::nullopt);
    --owned_[node->second.access.owner];
    node = nodes_.erase(node);
  }
  fire(directory);
  for (const std::string& path : below) fire_exactly(path);
}

void SimStore::forget_everything() {
  nodes_.clear();
  owned_.clear();
  watches_.clear();
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

void SimStore::watch(const std::string& path, const std::string& token, StoreWatcher& watcher,
                     DomainId domain) {
  watches_.push_back({path, token, &watcher, domain});
  watcher.changed(path, token, path);
}

bool SimStore::watches(const std::string& path, const std::string& token,
                       const StoreWatcher& watcher) const {
  return std::ranges::any_of(watches_, [&](const Watch& watch) {
    return watch.path == path && watch.token == token && watch.watcher == &watcher;
  });
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
  for (const Watch& watch : watches_) {
    if (watch.path == special_path && watch.domain == 0) {
      watch.watcher->changed(watch.path, watch.token, special_path);
    }
  }
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
