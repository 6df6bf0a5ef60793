// SPDX-License-Identifier: MIT
#include "daemon/host/descriptor_store.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "daemon/host/witness.h"

namespace tapring {
namespace {

/// How long the service manager may take to let go of a descriptor.
constexpr uint64_t kPatienceMicroseconds = 1'000'000;

}  // namespace

DescriptorStore::DescriptorStore() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  for (int i = 0; i < count; ++i) {
    auto& kept = kept_[names[i]];
    if (!kept) kept = std::make_shared<Kept>();
    kept->unasked.emplace_back(SD_LISTEN_FDS_START + i);
    std::free(names[i]);
  }
  std::free(names);
}

void DescriptorStore::keep(const std::string& disk, std::vector<UniqueFd> witnesses) {
  const std::string state = fmt::format("FDSTORE=1\nFDNAME={}", disk);
  bool sent = false;
  for (const UniqueFd& witness : witnesses) {
    const int fd = witness.get();
    sent |= sd_pid_notify_with_fds(0, /*unset_environment=*/0, state.c_str(), &fd, 1) > 0;
  }
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
  const std::string state = fmt::format("FDSTOREREMOVE=1\nFDNAME={}", disk);
  if (sd_notify(/*unset_environment=*/0, state.c_str()) <= 0) return;
  sd_notify_barrier(/*unset_environment=*/0, kPatienceMicroseconds);
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
