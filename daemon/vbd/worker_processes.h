// SPDX-License-Identifier: MIT
// The worker processes, as the control process has them: the port. spawned_workers is the real one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/host/message.h"

namespace tapring {

/// One worker process. Destroyed when its end was told, or when the control process ends, which
/// leaves it to the next one.
class WorkerProcess {
 public:
  virtual ~WorkerProcess() = default;

  /// Does not wait; what the process never takes is dropped.
  virtual void send(Message message) = 0;

  /// Has it answer what is in flight, let go of its disks, and end.
  virtual void stop() = 0;
};

class WorkerProcesses {
 public:
  /// Each is called on the control thread, later than start().
  struct Callbacks {
    std::function<void(Message)> said;
    /// The process is gone, and with it all that it held; or it could not be started: why.
    std::function<void(const std::string& why)> ended;
  };

  virtual ~WorkerProcesses() = default;

  /// The process of this name that an earlier control process left, or else a new one. Says hello
  /// first.
  virtual std::unique_ptr<WorkerProcess> start(const std::string& name, Callbacks callbacks) = 0;

  /// The names of those that an earlier control process left.
  virtual std::vector<std::string> left() const = 0;
};

}  // namespace tapring
