// SPDX-License-Identifier: MIT
// A machine with a pretend Xen is a directory: `control` holds a Control, `memory-N` the memory of
// domain N, `events-N` is the FIFO of the event channel handle N of some process.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "ring/unique_fd.h"
#include "tests/pretend/control.h"

namespace tapring::pretend {

/// The environment variable that names the directory.
inline constexpr const char* kMachineVariable = "TAPRING_PRETEND_MACHINE";

/// A process's view of a machine. Everything throws std::system_error.
class Machine {
 public:
  /// Makes the machine, with domain 0, in an empty directory.
  static void create(const std::filesystem::path& directory);

  explicit Machine(std::filesystem::path directory);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine();

  /// The one that kMachineVariable names, opened once.
  static Machine& of_environment();

  /// Held where several things change. One who is killed while holding it leaves nothing that the
  /// next one cannot go on from: what a record stands for is written before it counts.
  class Lock {
   public:
    explicit Lock(Machine& machine);
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock();

   private:
    pthread_mutex_t& mutex_;
  };

  Control& control() noexcept { return *control_; }
  DomainEntry& domain(DomainId id) noexcept { return control_->domains.at(id); }
  bool is_alive(DomainId id) const noexcept;

  UniqueFd open_memory(DomainId id) const;
  std::filesystem::path memory_path(DomainId id) const;
  std::filesystem::path fifo_path(uint64_t handle) const;

  const Process& self() const noexcept { return self_; }

 private:
  std::filesystem::path directory_;
  Process self_;
  Control* control_;
};

/// A part of a domain's memory, shared with everybody who maps it.
class MemoryView {
 public:
  MemoryView(const Machine& machine, DomainId domain, uint32_t first_page, uint32_t pages);
  MemoryView(const MemoryView&) = delete;
  MemoryView& operator=(const MemoryView&) = delete;
  ~MemoryView();

  std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace tapring::pretend
