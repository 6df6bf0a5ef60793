// SPDX-License-Identifier: MIT
#include "daemon/host/witness_keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace tapring {
namespace {

/// How long the service manager may take to let go of a descriptor.
constexpr uint64_t kPatienceMicroseconds = 1'000'000;

}  // namespace

WitnessKeeper::WitnessKeeper() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  for (int i = 0; i < count; ++i) {
    kept_[names[i]].emplace_back(SD_LISTEN_FDS_START + i);
    std::free(names[i]);
  }
  std::free(names);
}

void WitnessKeeper::keep(const std::string& disk, std::vector<UniqueFd> witnesses) {
  const std::string state = fmt::format("FDSTORE=1\nFDNAME={}", disk);
  for (const UniqueFd& witness : witnesses) {
    const int fd = witness.get();
    sd_pid_notify_with_fds(0, /*unset_environment=*/0, state.c_str(), &fd, 1);
  }
  kept_[disk] = std::move(witnesses);
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

void WitnessKeeper::remove(const std::string& disk) {
  if (kept_.erase(disk) == 0) return;
  const std::string state = fmt::format("FDSTOREREMOVE=1\nFDNAME={}", disk);
  sd_notify(/*unset_environment=*/0, state.c_str());
}

void WitnessKeeper::await_removal() {
  sd_notify_barrier(/*unset_environment=*/0, kPatienceMicroseconds);
}

std::vector<std::string> WitnessKeeper::disks() const {
  std::vector<std::string> disks;
  for (const auto& [disk, kept] : kept_) disks.push_back(disk);
  return disks;
}

}  // namespace tapring
