// SPDX-License-Identifier: MIT
// What the sandbox of the service (systemd.exec(5)) keeps from it. Here a file that is there may
// look as if it were missing, and a remedy for other programs would not help.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "daemon/vbd/open_disk.h"

namespace tapring {

class Sandbox {
 public:
  /// From a /proc/PID/mountinfo (proc(5)).
  explicit Sandbox(std::istream& mountinfo);

  static Sandbox of_this_process();

  /// Why opening `path` failed with `error`, and the commands that let the service have the file;
  /// nullopt if the sandbox has nothing to do with it.
  std::optional<std::string> why_not(const std::string& path, const std::error_code& error) const;

 private:
  struct Mount {
    std::string point;
    std::string root;  ///< what of its file system is there
    std::string type;  ///< of the file system
    bool read_only = false;
    bool writable_elsewhere = false;  ///< the file system itself is not read-only
  };

  const Mount* mount_of(const std::string& path) const;

  std::vector<Mount> mounts_;  ///< later ones hide earlier ones
};

/// `open`, with the sandbox named where that is why an image cannot be opened.
DiskOpener explaining(Sandbox sandbox, DiskOpener open);

}  // namespace tapring
