// SPDX-License-Identifier: MIT
#include "daemon/host/descriptor_store.h"

#include <utility>

#include "daemon/host/inherited_descriptors.h"
#include "daemon/host/witness.h"

namespace tapring {

DescriptorStore::DescriptorStore() {
  for (auto& [disk, witnesses] : take_inherited_descriptors()) {
    kept_.emplace(disk, std::make_shared<Kept>()).first->second->unasked = std::move(witnesses);
  }
}

void DescriptorStore::keep(const std::string& disk, std::vector<UniqueFd> witnesses) {
  bool sent = false;
  for (const UniqueFd& witness : witnesses) sent |= store_descriptor(disk, witness);
  const std::lock_guard lock(mutex_);
  if (sent) kept_.try_emplace(disk, std::make_shared<Kept>());
}

std::optional<Error> DescriptorStore::ask(const std::string& disk) {
  std::shared_ptr<Kept> kept;
  {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(disk);
    if (found == kept_.end()) return std::nullopt;
    kept = found->second;
  }
  const std::lock_guard asking(kept->asking);
  for (const UniqueFd& witness : kept->unasked) {
    if (const Error error = ask_witness(witness)) kept->answer = lost_write(error);
  }
  kept->unasked.clear();
  return kept->answer;
}

void DescriptorStore::remove(const std::string& disk) {
  {
    const std::lock_guard lock(mutex_);
    if (kept_.erase(disk) == 0) return;
  }
  drop_stored_descriptors(disk);
  await_dropped_descriptors();
}

bool DescriptorStore::keeps(const std::string& disk) const {
  const std::lock_guard lock(mutex_);
  return kept_.contains(disk);
}

std::vector<std::string> DescriptorStore::disks() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> disks;
  for (const auto& [disk, kept] : kept_) disks.push_back(disk);
  return disks;
}

}  // namespace tapring
