// SPDX-License-Identifier: MIT
// Which simulated process has which image open: all are processes of this one, really.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "tests/sim/storage.h"

namespace tapring::sim {

/// Number of a simulated process; no two have the same.
using ProcessNumber = uint64_t;

class SimOpenFiles {
 public:
  SimOpenFiles(SimStorage& storage, const std::set<std::string>& images) noexcept
      : storage_(storage), images_(images) {}
  SimOpenFiles(const SimOpenFiles&) = delete;
  SimOpenFiles& operator=(const SimOpenFiles&) = delete;

  /// What has been opened since this was called last is that process's.
  void claim(ProcessNumber process);

  /// The process ends: locks go with the last descriptor. The numbers stay taken, as its ghost will
  /// close them.
  void close_of(ProcessNumber process);

  /// Whether the kernel still has a file open for the process.
  bool has(ProcessNumber process);

 private:
  template <typename Visit>
  void visit(Visit visit);

  SimStorage& storage_;
  const std::set<std::string>& images_;
  std::map<uint64_t, ProcessNumber> owners_;  ///< by open file description
};

}  // namespace tapring::sim
