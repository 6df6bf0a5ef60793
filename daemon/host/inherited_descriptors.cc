// SPDX-License-Identifier: MIT
#include "daemon/host/inherited_descriptors.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>

namespace tapring {
namespace {

/// How long the service manager may take to let go of a descriptor.
constexpr uint64_t kPatienceMicroseconds = 1'000'000;

}  // namespace

std::map<std::string, std::vector<UniqueFd>> take_inherited_descriptors() {
  std::map<std::string, std::vector<UniqueFd>> taken;
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  for (int i = 0; i < count; ++i) {
    taken[names[i]].emplace_back(SD_LISTEN_FDS_START + i);
    std::free(names[i]);
  }
  std::free(names);
  return taken;
}

bool store_descriptor(const std::string& name, const UniqueFd& descriptor) {
  const std::string state = fmt::format("FDSTORE=1\nFDNAME={}", name);
  const int fd = descriptor.get();
  return sd_pid_notify_with_fds(0, /*unset_environment=*/0, state.c_str(), &fd, 1) > 0;
}

void drop_stored_descriptors(const std::string& name) {
  const std::string state = fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name);
  sd_notify(/*unset_environment=*/0, state.c_str());
}

void await_dropped_descriptors() {
  sd_notify_barrier(/*unset_environment=*/0, kPatienceMicroseconds);
}

}  // namespace tapring
