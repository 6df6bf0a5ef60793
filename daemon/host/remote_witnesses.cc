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
  } catch (const ControlLost& loss) {
    // It may have taken them. Then they are to be removed some time.
    spdlog::warn("{}: no witness of lost writes is kept, perhaps: {}", disk, loss.what());
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
  const Message witnesses = control_.call_about_disk(Verb::witness_fetch, {disk});
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
    // Tried again, as without a control process no disk can end.
    spdlog::debug("{}: {}", disk, error.what());
    const std::lock_guard lock(mutex_);
    kept_.try_emplace(disk, std::make_shared<Kept>());
  }
}

bool RemoteWitnesses::keeps(const std::string& disk) const {
  const std::lock_guard lock(mutex_);
  return kept_.contains(disk);
}

std::vector<std::string> RemoteWitnesses::disks() const {
  std::vector<std::string> disks = control_.call_about_disk(Verb::witness_list, {}).words;
  const std::lock_guard lock(mutex_);
  for (const std::string& disk : disks) {
    auto& known = kept_[disk];
    if (!known) known = std::make_shared<Kept>();
  }
  return disks;
}

}  // namespace tapring
