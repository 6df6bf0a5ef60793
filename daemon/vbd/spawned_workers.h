// SPDX-License-Identifier: MIT
// Worker processes of production: started from our own program, and found again by the next control
// process in the run directory. Each has there a socket, where it listens, and a lock, which it has
// until the kernel has let go of all that it held.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/vbd/worker_processes.h"

namespace tapring {

class SpawnedWorkers final : public WorkerProcesses {
 public:
  /// The descriptors that a worker process gets.
  static constexpr int kListener = 3;
  static constexpr int kLock = 4;

  /// `arguments`: of a worker process, before its name. `control` outlives this.
  SpawnedWorkers(boost::asio::io_context& control, const std::filesystem::path& run_dir,
                 std::vector<std::string> arguments);

  std::unique_ptr<WorkerProcess> start(const std::string& name, Callbacks callbacks) override;
  std::vector<std::string> left() const override;

  /// Has those that an earlier control process left let go of their disks and end, before this
  /// process serves these. Waits for that, and says so where one does not end.
  static void stop_left(const std::filesystem::path& run_dir);

 private:
  boost::asio::io_context& control_;
  const std::filesystem::path directory_;
  const std::vector<std::string> arguments_;
};

}  // namespace tapring
