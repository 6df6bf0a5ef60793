// SPDX-License-Identifier: MIT
#include "daemon/host/remote_witnesses.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace tapring {

void RemoteWitnesses::keep(const std::string& disk, std::vector<UniqueFd> witnesses) {
  const auto kept = std::make_shared<Kept>();
  kept->answer = Error{};
  try {
    control_.call(Verb::witness_keep, {disk}, std::move(witnesses));
  } catch (const std::system_error& error) {
    spdlog::warn("{}: no witness of lost writes is kept: {}", disk, error.what());
    return;
  }
  const std::lock_guard lock(mutex_);
  kept_.try_emplace(disk, kept);
}

std::optional<Error> RemoteWitnesses::ask(const std::string& disk) {
  std::shared_ptr<Kept> kept;
  {
    const std::lock_guard lock(mutex_);
    auto& known = kept_[disk];
    if (!known) known = std::make_shared<Kept>();
    kept = known;
  }
  const std::lock_guard asking(kept->asking);
  if (kept->answer) return kept->answer;
  const Message witnesses = control_.call(Verb::witness_fetch, {disk});
  if (witnesses.descriptors.empty()) {
    const std::lock_guard lock(mutex_);
    kept_.erase(disk);
    return std::nullopt;
  }
  kept->answer = Error{};
  for (const UniqueFd& witness : witnesses.descriptors) {
    if (const Error error = ask_(witness)) kept->answer = lost_write(error);
  }
  return kept->answer;
}

void RemoteWitnesses::remove(const std::string& disk) {
  {
    const std::lock_guard lock(mutex_);
    if (kept_.erase(disk) == 0) return;
  }
  try {
    control_.call(Verb::witness_remove, {disk});
  } catch (const std::system_error& error) {
    // Its next control process drops it, as the disk is gone.
    spdlog::debug("{}: {}", disk, error.what());
  }
}

bool RemoteWitnesses::keeps(const std::string& disk) const {
  const std::lock_guard lock(mutex_);
  return kept_.contains(disk);
}

std::vector<std::string> RemoteWitnesses::disks() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> disks;
  for (const auto& [disk, kept] : kept_) disks.push_back(disk);
  return disks;
}

}  // namespace tapring
