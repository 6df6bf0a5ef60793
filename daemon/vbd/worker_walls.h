// SPDX-License-Identifier: MIT
// What a worker process is kept from, whoever has taken it over: files that are no images,
// programs, sockets, other processes, and io_urings that nobody restricts.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/config/options.h"
#include "daemon/vbd/open_disk.h"
#include "ring/unique_fd.h"

namespace tapring {

class WorkerWalls {
 public:
  /// Around this thread and those it starts. Logs what cannot be had here.
  explicit WorkerWalls(const Options& options);

  /// Whether they would be others with these.
  bool are_of(const Options& options) const;

  /// `open`, that tells `outdated` where it is refused an image by walls that are older than what
  /// is at its directory now: another process would get it. `outdated` is called by any thread.
  DiskOpener explaining(DiskOpener open, std::function<void()> outdated) const;

 private:
  /// Device and inode.
  using Identity = std::pair<dev_t, ino_t>;
  struct Place {
    std::filesystem::path path;
    std::optional<Identity> identity;  ///< none if it was not there, or its storage hung
  };

  static Identity identity_of(const UniqueFd& place);
  void restrict_files(const Options& options);
  bool are_outdated(const std::filesystem::path& image) const;

  std::vector<std::filesystem::path> image_directories_;
  std::vector<Place> places_;  ///< of the images, as files are restricted; none if they are not
};

}  // namespace tapring
