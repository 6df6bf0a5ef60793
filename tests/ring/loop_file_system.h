// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/daemon/temporary_directory.h"

namespace tapring {

/// A file system on a loop device, small and empty, which only this process and its children see:
/// it is gone with the process, however that ends.
class LoopFileSystem {
 public:
  /// Those that can be made here: none without root, loop devices or mkfs.
  static std::vector<std::string> types();

  /// Throws std::runtime_error.
  LoopFileSystem(const std::string& type, unsigned sector_bytes);
  ~LoopFileSystem();
  LoopFileSystem(const LoopFileSystem&) = delete;
  LoopFileSystem& operator=(const LoopFileSystem&) = delete;

  std::filesystem::path path() const { return directory_.path() / "mounted"; }

 private:
  TemporaryDirectory directory_;
};

}  // namespace tapring
