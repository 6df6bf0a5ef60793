// SPDX-License-Identifier: MIT
#include "tests/sim/witnesses.h"

#include <filesystem>

namespace tapring::sim {

void SimWitnessStore::keep(const std::string& disk, std::vector<UniqueFd> witnesses) {
  if (dead_) return;
  for (const UniqueFd& witness : witnesses) {
    const auto link = "/proc/self/fd/" + std::to_string(witness.get());
    const std::string path = std::filesystem::read_symlink(link);
    kept_[disk].push_back({path, storage_.told_at_opening(path)});
  }
}

std::optional<Error> SimWitnessStore::ask(const std::string& disk) {
  const auto found = kept_.find(disk);
  if (dead_ || found == kept_.end()) return std::nullopt;
  for (SimWitness& witness : found->second) {
    const Error error = storage_.take_writeback_error(witness.path, witness.told);
    if (error) answers_[disk] = lost_write(error);
  }
  return answers_[disk];
}

void SimWitnessStore::remove(const std::string& disk) {
  if (dead_) return;
  answers_.erase(disk);
  kept_.erase(disk);
}

std::vector<std::string> SimWitnessStore::disks() const {
  std::vector<std::string> disks;
  for (const auto& [disk, witnesses] : kept_) disks.push_back(disk);
  return disks;
}

}  // namespace tapring::sim
