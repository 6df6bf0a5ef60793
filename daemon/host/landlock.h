// SPDX-License-Identifier: MIT
// Keeps a process from files that are none of its business (landlock(7)): it and the threads that
// it starts later can open nothing but what was allowed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "ring/unique_fd.h"

namespace tapring {

class Landlock {
 public:
  enum class Access {
    read,   ///< files and directories
    write,  ///< and files there are, those of devices too, with their ioctls
  };

  /// nullopt where the kernel has no Landlock, or it is off there. Throws std::system_error.
  static std::optional<Landlock> make();

  /// A file, or all that lies beneath a directory, file systems that are mounted in it later too.
  /// `place`: may be open for its path alone (O_PATH). Throws std::system_error.
  void allow(const UniqueFd& place, Access access);

  /// Likewise, if it is there. Blocks.
  void allow(const std::filesystem::path& path, Access access);

  /// From now on, for this thread and those it starts. Throws std::system_error.
  void restrict_thread() const;

 private:
  Landlock(UniqueFd rules, uint64_t handled) : rules_(std::move(rules)), handled_(handled) {}

  UniqueFd rules_;
  uint64_t handled_;  ///< rights that this kernel knows
};

}  // namespace tapring
