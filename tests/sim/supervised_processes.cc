// SPDX-License-Identifier: MIT
#include "tests/sim/supervised_processes.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace tapring::sim {

SimSupervisedProcesses::SimSupervisedProcesses(const SimPlace& place, SimProcessTable& table,
                                               SimMessageDeaths& deaths,
                                               SimStoredDescriptors& stored,
                                               const Settings& settings)
    : place_(place),
      table_(table),
      background_(place.background),
      journals_(place.journals),
      stored_(stored),
      witnesses_(stored_),
      control_(std::make_unique<SimExecutor>(place.world)),
      store_([this] { return connect(); }, *control_, *control_),
      processes_(place.world, table, deaths, settings.die),
      supervisor_({store_, *control_, background_, *control_, processes_, journals_, witnesses_},
                  place.settings().kinds, table.version(), "", settings.isolation),
      answers_(supervisor_, {}) {}

SimSupervisedProcesses::~SimSupervisedProcesses() {
  // What the control thread would have done next must neither run nor outlive the supervisor.
  control_.reset();
}

std::unique_ptr<XenstoreConnection> SimSupervisedProcesses::connect() {
  if (dead_) throw XenstoreLost(ECONNREFUSED, "a process that was killed");
  auto made = place_.xenstored.connect(*control_, place_.own_domain);
  connection_ = made.get();
  connection_life_ = made->life();
  return made;
}

void SimSupervisedProcesses::die_alone() {
  if (std::exchange(dead_, true)) return;
  background_.die();
  journals_.die();
  stored_.die();
  if (!connection_life_.expired()) connection_->die();
  processes_.die();
}

void SimSupervisedProcesses::die() {
  die_alone();
  table_.kill_all();
}

void SimSupervisedProcesses::configure() { supervisor_.configure(""); }

void SimSupervisedProcesses::check_sizes() {
  for (const auto& process : table_.running()) process->server().check_sizes();
}

void SimSupervisedProcesses::check_guests() {
  for (const auto& process : table_.running()) process->server().check_guests();
}

std::size_t SimSupervisedProcesses::bound() const {
  std::size_t bound = 0;
  for (const auto& process : table_.running()) bound += process->bound();
  return bound;
}

std::vector<DiskReport> SimSupervisedProcesses::report() const {
  std::vector<DiskReport> all;
  for (const auto& process : table_.running()) {
    std::ranges::move(process->server().report(), std::back_inserter(all));
  }
  return all;
}

std::vector<std::string> SimSupervisedProcesses::problems() const {
  std::vector<std::string> all;
  if (!supervisor_.store_absence().empty()) all.push_back(supervisor_.store_absence());
  for (const auto& process : table_.running()) {
    std::ranges::move(process->server().problems(), std::back_inserter(all));
  }
  return all;
}

std::string SimSupervisedProcesses::ask_owner(
    const VbdName& disk, const std::function<std::string(Server&)>& question) {
  std::string answer = "no worker process has it";
  for (const auto& process : table_.running()) {
    if (supervisor_.owns(process->name(), disk)) answer = question(process->server());
  }
  return answer;
}

std::string SimSupervisedProcesses::resume(const VbdName& disk) {
  return ask_owner(disk, [&](Server& server) { return server.resume(disk); });
}

std::string SimSupervisedProcesses::set_policy(const VbdName& disk, const PolicyWords& words) {
  return ask_owner(disk, [&](Server& server) { return server.set_policy(disk, words); });
}

std::string SimSupervisedProcesses::adopt(const VbdName& disk) {
  return ask_owner(disk, [&](Server& server) { return server.adopt(disk); });
}

std::string SimSupervisedProcesses::release(const VbdName& disk) {
  return ask_owner(disk, [&](Server& server) { return server.release(disk); });
}

}  // namespace tapring::sim
