// SPDX-License-Identifier: MIT
#include "tests/sim/storage.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <memory>
#include <utility>

#include "ring/unique_fd.h"

namespace tapring::sim {
namespace {

// Open file descriptions are told apart by their file offset, which nothing else uses.
constexpr uint64_t kFirstDescription = uint64_t{1} << 40;

}  // namespace

void SimStorage::release(const std::string& path) {
  File& file = files_[path];
  file.hangs = false;
  for (auto& [kind, complete] : std::exchange(file.hanging, {})) {
    begin(path, kind, std::move(complete));
  }
}

void SimStorage::release_all() {
  for (const auto& [path, file] : files_) release(path);
}

void SimStorage::power_on() {
  powered_ = true;
  for (auto& [path, file] : files_) {
    if (!file.cache) continue;
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    file.cache->lose_some(fd.get(), world_.random());
  }
}

void SimStorage::drop_given_up() {
  for (auto& [path, file] : files_) {
    if (!file.cache) continue;
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    file.cache->drop_given_up(fd.get(), world_.random());
  }
}

void SimStorage::outlive(const std::string& path, int fd, std::vector<LateWrite> writes) {
  const auto file = std::make_shared<UniqueFd>(::fcntl(fd, F_DUPFD, 0));
  writes.push_back({});  // what it reads
  for (LateWrite& write : writes) {
    const auto kind = write.data.empty() ? FileOperation::Kind::read : FileOperation::Kind::write;
    begin(path, kind, [this, path, file, write = std::move(write), outages = outages_] {
      if (outages != outages_ || write.data.empty()) return;
      before_write(path, file->get(), write.offset, write.data.size());
      const ssize_t written = ::pwrite(file->get(), write.data.data(), write.data.size(),
                                       static_cast<off_t>(write.offset));
      assert(written == static_cast<ssize_t>(write.data.size()));
      after_write(path, file->get(), write.offset, write.data.size());
    });
  }
}

void SimStorage::lose_writes(const std::string& path, int number) {
  WritebackError& writeback = files_[path].writeback;
  writeback = {writeback.number + 1, false, system_error_code(number)};
}

uint64_t SimStorage::told_at_opening(const std::string& path) {
  const WritebackError& writeback = files_[path].writeback;
  return writeback.seen ? writeback.number : 0;
}

Error SimStorage::take_writeback_error(const std::string& path, uint64_t& told) {
  WritebackError& writeback = files_[path].writeback;
  if (std::exchange(told, writeback.number) == writeback.number) return {};
  writeback.seen = true;
  return writeback.error;
}

uint64_t SimStorage::opened(const std::string& path, int fd) {
  const uint64_t description = description_of(fd);
  told_.try_emplace(description, told_at_opening(path));
  return description;
}

Error SimStorage::take_writeback_error(const std::string& path, int fd) {
  return take_writeback_error(path, told_[description_of(fd)]);
}

uint64_t SimStorage::description_of(int fd) {
  const auto offset = static_cast<uint64_t>(::lseek(fd, 0, SEEK_CUR));
  if (offset >= kFirstDescription) return offset;
  const uint64_t description = kFirstDescription + told_.size();
  const off_t moved = ::lseek(fd, static_cast<off_t>(description), SEEK_SET);
  assert(moved == static_cast<off_t>(description));
  return static_cast<uint64_t>(moved);
}

void SimStorage::before_write(const std::string& path, int fd, uint64_t offset, uint64_t bytes) {
  File& file = files_[path];
  if (file.cache) file.cache->before_write(fd, offset, bytes);
}

void SimStorage::after_write(const std::string& path, int fd, uint64_t offset, uint64_t bytes) {
  File& file = files_[path];
  ++file.writes_done;
  if (file.cache) file.cache->after_write(fd, offset, bytes, file.writes_done);
}

void SimStorage::synced(const std::string& path, uint64_t writes) {
  File& file = files_[path];
  file.writes_durable = std::max(file.writes_durable, writes);
  if (file.cache) file.cache->synced(writes);
}

void SimStorage::sync_failed(const std::string& path, uint64_t writes) {
  File& file = files_[path];
  if (powered_ && file.cache) file.cache->sync_failed(writes);
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

Latency SimStorage::latency(const std::string& path, FileOperation::Kind kind) const {
  const FileBehaviour& behaviour = files_.at(path).behaviour;
  const auto own = behaviour.latencies.find(kind);
  return own == behaviour.latencies.end() ? behaviour.latency : own->second;
}

void SimStorage::begin(const std::string& path, FileOperation::Kind kind, Work complete) {
  world_.after(latency(path, kind), [this, path, kind, complete = std::move(complete)]() mutable {
    File& file = files_[path];
    if (file.hangs) {
      file.hanging.emplace_back(kind, std::move(complete));
    } else {
      complete();
    }
  });
}

Error SimStorage::outcome(const std::string& path, const FileOperation& operation) {
  if (!powered_) return system_error_code(EIO);
  const FileBehaviour& behaviour = files_[path].behaviour;
  if (behaviour.fault) {
    if (const Error error = behaviour.fault(operation)) return error;
  }
  if (world_.random().chance(behaviour.error_probability)) return system_error_code(EIO);
  return Error{};
}

}  // namespace tapring::sim
