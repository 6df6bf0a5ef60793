// SPDX-License-Identifier: MIT
// A worker of production: a thread with an io_uring and handles to Xen of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <thread>

#include "daemon/worker.h"

namespace tapring {

class WorkerThread {
 public:
  /// Returns when the thread is ready. Throws what setting it up threw.
  WorkerThread(uint32_t number, std::size_t arena_bytes);
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  /// Ends the thread after its present turn; its disks are gone by then.
  ~WorkerThread();

  Worker& worker() noexcept { return *worker_; }

 private:
  void run(uint32_t number, std::size_t arena_bytes, std::promise<Worker*> ready);

  Worker* worker_ = nullptr;
  std::thread thread_;
};

}  // namespace tapring
