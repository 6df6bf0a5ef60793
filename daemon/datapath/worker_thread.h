// SPDX-License-Identifier: MIT
// A worker of production: a thread that has its own io_uring and its own handles to Xen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "daemon/datapath/worker.h"
#include "daemon/host/cpu_range.h"
#include "ring/uring.h"

namespace tapring {

struct WorkerSettings {
  uint32_t number = 0;  ///< for its name
  std::optional<CpuRange> cpus;
  std::size_t arena_bytes = 0;
  std::size_t max_mappings = 0;  ///< of pages that stay mapped: see MappingBudget
  PollWindow::Duration busy_poll{};
};

class WorkerThread {
 public:
  /// Returns when the thread is ready. Throws what setting it up threw. `helper`: for
  /// Loop::use_helper().
  WorkerThread(const WorkerSettings& settings, std::unique_ptr<Uring> uring, Executor& helper);
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  /// Ends the thread after its present turn. Its disks must have ended before.
  ~WorkerThread();

  Worker& worker() noexcept { return *worker_; }

 private:
  void run(const WorkerSettings& settings, std::unique_ptr<Uring> uring, Executor& helper,
           std::promise<Worker*> ready);

  Worker* worker_ = nullptr;
  std::thread thread_;
};

}  // namespace tapring
