// SPDX-License-Identifier: MIT
#include "daemon/host/witness_keeper.h"

#include <fcntl.h>

#include <utility>

namespace tapring {

WitnessKeeper::WitnessKeeper(ServiceStore& store) : store_(store), kept_(store.take()) {}

void WitnessKeeper::keep(const std::string& disk, std::vector<UniqueFd> witnesses) {
  if (witnesses.empty()) return;
  const auto [kept, is_new] = kept_.try_emplace(disk, std::move(witnesses));
  if (!is_new) return;
  for (const UniqueFd& witness : kept->second) store_.keep(disk, witness);
}

std::vector<UniqueFd> WitnessKeeper::fetch(const std::string& disk) const {
  std::vector<UniqueFd> copies;
  const auto kept = kept_.find(disk);
  if (kept == kept_.end()) return copies;
  for (const UniqueFd& witness : kept->second) {
    copies.emplace_back(::fcntl(witness.get(), F_DUPFD_CLOEXEC, 0));
  }
  return copies;
}

std::vector<UniqueFd> WitnessKeeper::remove(const std::string& disk) {
  auto kept = kept_.extract(disk);
  if (kept.empty()) return {};
  // At once, so that it is none of those that are kept of this disk from now on.
  store_.drop(disk);
  return std::move(kept.mapped());
}

std::vector<std::string> WitnessKeeper::disks() const {
  std::vector<std::string> disks;
  for (const auto& [disk, kept] : kept_) disks.push_back(disk);
  return disks;
}

}  // namespace tapring
