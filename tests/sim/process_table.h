// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/message_deaths.h"
#include "tests/sim/open_files.h"
#include "tests/sim/place.h"
#include "tests/sim/worker_process.h"

namespace tapring::sim {

/// The worker processes of a simulated host, which outlive the control process that started them.
/// A name is taken, as by its lock, until the kernel has let go of all that its process had.
class SimProcessTable {
 public:
  SimProcessTable(const SimPlace& place, SimOpenFiles& files) noexcept
      : place_(place), files_(files) {}
  SimProcessTable(const SimProcessTable&) = delete;
  SimProcessTable& operator=(const SimProcessTable&) = delete;

  /// The one that has the name, or else a new one of the program as it is now.
  std::shared_ptr<SimWorkerProcess> find_or_start(const std::string& name);

  /// Those whose names are taken.
  std::vector<std::string> names() const;

  /// Those that run.
  std::vector<std::shared_ptr<SimWorkerProcess>> running() const;

  /// The program is replaced by another version, which processes are of that start from now on.
  void upgrade() { version_ += '+'; }
  const std::string& version() const noexcept { return version_; }

  void kill_all();

  /// Nothing is under way of those that are gone.
  bool is_idle() const;

  /// Forgets those that are gone.
  void bury();

 private:
  const SimPlace& place_;
  SimOpenFiles& files_;
  std::string version_ = "1";
  std::map<std::string, std::shared_ptr<SimWorkerProcess>> processes_;
  /// Gone ones that another has followed. Their coroutines run to an end, with no effect on
  /// anything.
  std::vector<std::shared_ptr<SimWorkerProcess>> ghosts_;
  ProcessNumber next_ = 1;
};

}  // namespace tapring::sim
