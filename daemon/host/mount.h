// SPDX-License-Identifier: MIT
// What is mounted where, found without asking the storage, as it may hang.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace tapring {

struct Mount {
  uint64_t device = 0;  ///< of the file system, as stat(2) has it in st_dev
  std::string root;     ///< what of the file system is there
  std::string point;
  std::string options;  ///< "rw,relatime": of this mount
  std::string type;     ///< of the file system: "ext4", "fuse.sshfs"
  std::string file_system_options;

  /// Whether `path` leads there by its words alone, so not where symbolic links of it lead.
  bool holds(std::string_view path) const noexcept;
};

/// `mountinfo`: as /proc/PID/mountinfo, see proc_pid_mountinfo(5). Later ones hide earlier ones.
std::vector<Mount> read_mounts(std::istream& mountinfo);

/// Those that this process sees.
std::vector<Mount> own_mounts();

}  // namespace tapring
