// SPDX-License-Identifier: MIT
#include "tests/sim/state_observer.h"

#include <charconv>
#include <optional>
#include <set>
#include <utility>

namespace tapring::sim {
namespace {

/// 0: there is no such key.
unsigned state_of(const std::optional<std::string>& value) {
  unsigned state = 0;
  if (value) std::from_chars(value->data(), value->data() + value->size(), state);
  return state;
}

constexpr const char* kVerdict = "/tapring-status";

std::string directory_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

/// By the daemon or by the toolstack, which makes nodes, asks for 5 at any time and removes them.
bool is_legal(unsigned before, unsigned after) {
  static const std::set<std::pair<unsigned, unsigned>> kSteps{
      {1, 2}, {1, 5}, {1, 6}, {2, 4}, {2, 5}, {2, 6}, {4, 5}, {4, 6}, {5, 6}, {6, 2}, {6, 5}};
  return before == after || before == 0 || after == 0 || after == 1 ||
         kSteps.contains({before, after});
}

}  // namespace

StateObserver::StateObserver(Host& host) : host_(host) {
  host_.store().observe([this](const std::string& path, const auto& before, const auto& after) {
    if (path.ends_with("/state")) changed(path, state_of(before), state_of(after));
    if (path.ends_with(kVerdict) && after) verdict_written(directory_of(path), *after);
  });
}

void StateObserver::expect_of(const DiskLine& line, Questions questions) {
  disks_[backend_directory(line)] = {line, std::move(questions)};
}

void StateObserver::changed(const std::string& path, unsigned before, unsigned after) {
  if (log_) log_(path + ": " + std::to_string(before) + " -> " + std::to_string(after));
  const auto found = disks_.find(directory_of(path));
  if (found == disks_.end()) return;
  const auto fault = [&](const std::string& what) {
    faults_.push_back(path + " became " + std::to_string(after) + ", " + what);
  };
  const Disk& disk = found->second;
  if (!is_legal(before, after)) fault("but was " + std::to_string(before));
  if (after == 4 && before != 4 && !disk.line.script.empty() &&
      host_.store().read(backend_directory(disk.line) + "/hotplug-status") != "connected") {
    fault("but the hotplug script is not done");
  }
  if (after != 6 || before == 6) return;
  const std::string held = disk.questions.closed();
  if (!held.empty()) fault("but is held: " + held);
}

void StateObserver::verdict_written(const std::string& directory, const std::string& verdict) {
  if (log_) log_(directory + ": " + verdict);
  const auto found = disks_.find(directory);
  if (found == disks_.end() || !found->second.questions.sound) return;
  if (verdict.contains("requests unanswered")) faults_.push_back(directory + " is " + verdict);
}

}  // namespace tapring::sim
