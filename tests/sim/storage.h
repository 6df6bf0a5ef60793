// SPDX-License-Identifier: MIT
// How the files of a simulated world behave: what a test sets for a path holds for each file that
// is open on it, at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ring/error.h"
#include "ring/executor.h"
#include "tests/sim/world.h"
#include "tests/sim/write_cache.h"

namespace tapring::sim {

struct FileOperation {
  enum class Kind : uint8_t { read, write, sync, discard, erase } kind;
  uint64_t offset;
  uint64_t bytes;
};

/// Operations of one file pass each other whenever their latencies say so.
struct FileBehaviour {
  Latency latency{std::chrono::microseconds(20), std::chrono::microseconds(800)};
  std::map<FileOperation::Kind, Latency> latencies{};  ///< of kinds that differ from it
  double error_probability = 0;                        ///< an operation fails with EIO
  double short_probability = 0;  ///< a transfer is done in part, and the rest asked for anew
  uint32_t block_bytes = 512;    ///< what it does not take part of; for files opened from then on
  Error opening;                 ///< what the next opening fails with
  /// Asked for each operation when it would complete; an Error is its result.
  std::function<Error(const FileOperation&)> fault;
  Error close_error;  ///< of each close
};

/// Of a process that was killed: the kernel does it all the same.
struct LateWrite {
  uint64_t offset;
  std::vector<std::byte> data;
};

class SimStorage {
 public:
  explicit SimStorage(SimWorld& world) noexcept : world_(world) {}
  SimStorage(const SimStorage&) = delete;
  SimStorage& operator=(const SimStorage&) = delete;

  FileBehaviour& behaviour(const std::string& path) { return files_[path].behaviour; }

  /// From now on no operation of the file completes, until release().
  void hang(const std::string& path) { files_[path].hangs = true; }
  void release(const std::string& path);
  void release_all();

  /// From now on what was written to the file and not made durable can be lost.
  void make_losable(const std::string& path) {
    files_[path].cache.emplace(files_[path].behaviour.block_bytes);
  }

  /// Every operation fails; a write that is under way may have been done in part, and none that
  /// comes later. What was not durable is lost, or not, block by block, when the power is on again.
  void power_off() noexcept {
    powered_ = false;
    ++outages_;
  }
  void power_on();

  /// Nobody has a file open any more: writes that a failed sync gave up are lost, or not, block by
  /// block.
  void drop_given_up();

  /// What was written and not synced is lost, as when the kernel could not write it back. It tells
  /// each open file description once, and one that is opened later only if nobody was told before
  /// (Linux, lib/errseq.c).
  void lose_writes(const std::string& path, int number);

  /// Which open file description `fd` refers to: duplicates share it. To be called when it was
  /// opened, and any time later.
  uint64_t opened(const std::string& path, int fd);

  // Of a description that is not a SimFile's: which loss it was told of last.
  uint64_t told_at_opening(const std::string& path);
  /// The loss that it has not been told of; from now on it has.
  Error take_writeback_error(const std::string& path, uint64_t& told);

  /// From now on another host has the file's lock, until it is given back.
  void lock_elsewhere(const std::string& path) { files_[path].locked_elsewhere = true; }
  void unlock_elsewhere(const std::string& path) { files_[path].locked_elsewhere = false; }
  bool locked_elsewhere(const std::string& path) { return files_[path].locked_elsewhere; }

  /// The writes are done some time, as is what a killed process reads. Until then the file stays
  /// open, with its locks: by a descriptor that children inherit, as no other is one of those.
  void outlive(const std::string& path, int fd, std::vector<LateWrite> writes);

  /// Operations that were begun and have not completed.
  std::size_t in_flight(const std::string& path) const;
  std::size_t open_files() const noexcept { return open_files_; }

  /// That were ever begun, of all files.
  uint64_t operations() const noexcept { return operations_; }

  /// Writes that are done and that no sync which began afterwards has made durable.
  uint64_t unsynced_writes(const std::string& path) const;

 private:
  friend class SimFile;

  struct WritebackError {
    uint64_t number = 0;  ///< how many losses there were
    bool seen = true;     ///< somebody was told of the last
    Error error;          ///< of the last
  };

  struct File {
    FileBehaviour behaviour;
    WritebackError writeback;
    bool hangs = false;
    bool locked_elsewhere = false;
    std::vector<std::pair<FileOperation::Kind, Work>> hanging;
    std::size_t in_flight = 0;
    uint64_t writes_done = 0;
    uint64_t writes_durable = 0;
    std::optional<SimWriteCache> cache;
  };

  Latency latency(const std::string& path, FileOperation::Kind kind) const;

  /// Calls `complete` when it is time.
  void begin(const std::string& path, FileOperation::Kind kind, Work complete);
  Error outcome(const std::string& path, const FileOperation& operation);

  // Of the open file description that `fd` refers to: duplicates share it.
  Error take_writeback_error(const std::string& path, int fd);
  uint64_t description_of(int fd);

  void before_write(const std::string& path, int fd, uint64_t offset, uint64_t bytes);
  void after_write(const std::string& path, int fd, uint64_t offset, uint64_t bytes);
  void synced(const std::string& path, uint64_t writes);
  void sync_failed(const std::string& path, uint64_t writes);

  SimWorld& world_;
  std::map<std::string, File> files_;
  std::map<uint64_t, uint64_t> told_;  ///< by description: the last loss that it was told of
  std::size_t open_files_ = 0;
  uint64_t operations_ = 0;
  bool powered_ = true;
  uint64_t outages_ = 0;
};

}  // namespace tapring::sim
