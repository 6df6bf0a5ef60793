// SPDX-License-Identifier: MIT
// What the sandbox of the service (systemd.exec(5)) keeps from it. Here a file that is there may
// look as if it were missing, and a remedy for other programs would not help.
#pragma once

#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/host/mount.h"
#include "daemon/vbd/open_disk.h"

namespace tapring {

class Sandbox {
 public:
  /// `mounts`: that the service sees.
  explicit Sandbox(std::vector<Mount> mounts) noexcept : mounts_(std::move(mounts)) {}

  /// Why opening `path` failed with `error`, and the commands that let the service have the file;
  /// nullopt if the sandbox has nothing to do with it.
  std::optional<std::string> why_not(const std::string& path, const std::error_code& error) const;

 private:
  const Mount* mount_of(const std::string& path) const;

  std::vector<Mount> mounts_;
};

/// `open`, with the sandbox named where that is why an image cannot be opened.
DiskOpener explaining(Sandbox sandbox, DiskOpener open);

}  // namespace tapring
