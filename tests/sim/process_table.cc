// SPDX-License-Identifier: MIT
#include "tests/sim/process_table.h"

#include <algorithm>
#include <utility>

namespace tapring::sim {

std::shared_ptr<SimWorkerProcess> SimProcessTable::find_or_start(const std::string& name) {
  std::erase_if(ghosts_, [](const auto& ghost) { return ghost->is_idle(); });
  std::shared_ptr<SimWorkerProcess>& process = processes_[name];
  if (process && !process->has_let_go()) return process;
  if (process) ghosts_.push_back(std::move(process));
  process = std::make_shared<SimWorkerProcess>(
      place_, files_, SimWorkerProcess::Start{name, version_, next_++});
  return process;
}

std::vector<std::string> SimProcessTable::names() const {
  std::vector<std::string> names;
  for (const auto& [name, process] : processes_) {
    if (!process->has_let_go()) names.push_back(name);
  }
  return names;
}

std::vector<std::shared_ptr<SimWorkerProcess>> SimProcessTable::running() const {
  std::vector<std::shared_ptr<SimWorkerProcess>> running;
  for (const auto& [name, process] : processes_) {
    if (process->running()) running.push_back(process);
  }
  return running;
}

void SimProcessTable::kill_all() {
  for (const auto& process : running()) process->die();
}

bool SimProcessTable::is_idle() const {
  const auto idle = [](const auto& ghost) { return ghost->is_idle(); };
  return std::ranges::all_of(ghosts_, idle) &&
         std::ranges::all_of(processes_,
                             [&](const auto& entry) { return idle(entry.second); });
}

void SimProcessTable::bury() {
  processes_.clear();
  ghosts_.clear();
}

}  // namespace tapring::sim
