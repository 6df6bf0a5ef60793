// SPDX-License-Identifier: MIT
#include "tests/sim/storage.h"

#include <utility>

namespace tapring::sim {

void SimStorage::release(const std::string& path) {
  File& file = files_[path];
  file.hangs = false;
  for (Work& complete : std::exchange(file.hanging, {})) begin(path, std::move(complete));
}

void SimStorage::release_all() {
  for (const auto& [path, file] : files_) release(path);
}

std::size_t SimStorage::in_flight(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? 0 : found->second.in_flight;
}

uint64_t SimStorage::unsynced_writes(const std::string& path) const {
  const auto found = files_.find(path);
  if (found == files_.end()) return 0;
  return found->second.writes_done - found->second.writes_durable;
}

void SimStorage::begin(const std::string& path, Work complete) {
  const Latency latency = files_[path].behaviour.latency;
  world_.after(latency, [this, path, complete = std::move(complete)]() mutable {
    File& file = files_[path];
    if (file.hangs) {
      file.hanging.push_back(std::move(complete));
    } else {
      complete();
    }
  });
}

Error SimStorage::outcome(const std::string& path, const FileOperation& operation) {
  const FileBehaviour& behaviour = files_[path].behaviour;
  if (behaviour.fault) {
    if (const Error error = behaviour.fault(operation)) return error;
  }
  if (world_.random().chance(behaviour.error_probability)) return system_error_code(EIO);
  return Error{};
}

}  // namespace tapring::sim
