// SPDX-License-Identifier: MIT
#include "tests/sim/transaction.h"

#include <algorithm>

namespace tapring::sim {
namespace {

constexpr double kConflictForNoReason = 0.02;

}  // namespace

std::string absolute_path(DomainId domain, const std::string& path) {
  if (path.starts_with('/') || path.starts_with('@')) return path;
  return "/local/domain/" + std::to_string(domain) + '/' + path;
}

std::optional<std::string> SimTransaction::read(const std::string& path) {
  const std::string node = absolute_path(domain_, path);
  const auto written = written_.find(node);
  return written == written_.end() ? look_at(node).value : written->second;
}

void SimTransaction::write(const std::string& path, const std::string& value) {
  const std::string node = absolute_path(domain_, path);
  if (look_at(node).generation == 0) look_at_missing_directories(node);
  written_[node] = value;
}

XenstoreTransaction::Outcome SimTransaction::commit() {
  store_.come_between(written_);
  const bool conflict = std::ranges::any_of(seen_, [this](const auto& entry) {
    return store_.generation(entry.first) != entry.second.generation;
  });
  if (conflict || world_.random().chance(kConflictForNoReason)) return Outcome::conflict;
  store_.write(written_);
  return Outcome::done;
}

/// The first look is the one that counts.
const SimTransaction::Seen& SimTransaction::look_at(const std::string& path) {
  const auto [seen, is_new] = seen_.try_emplace(path);
  if (is_new) seen->second = {store_.generation(path), store_.read(path)};
  return seen->second;
}

/// Whoever makes a node changes the directory that it comes into.
void SimTransaction::look_at_missing_directories(const std::string& path) {
  for (std::size_t slash = path.rfind('/'); slash > 0; slash = path.rfind('/', slash - 1)) {
    if (look_at(path.substr(0, slash)).generation != 0) return;
  }
}

}  // namespace tapring::sim
