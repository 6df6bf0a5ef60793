// SPDX-License-Identifier: MIT
// What the background thread does to open a disk's image.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/config/disk_spec.h"
#include "formats/image.h"

namespace tapring {

struct OpenPolicy {
  FilePolicy files;
  uint64_t map_cache_bytes = 0;  ///< of each image with a map; 0: by its size
};

struct OpenRequest {
  DiskSpec spec;
  std::string mode;  ///< as libxl writes it; "w!" leaves out the lock
  Purpose purpose = Purpose::service;
  /// A name that no other disk of this host has. A disk without a lock waits for the requests that
  /// an earlier tapringd left under way for this name, and for no others.
  std::string disk;
  /// The files that its guest has already, served_files_line()'s; empty if there are none yet.
  std::string served{};
  bool may_repair = false;  ///< otherwise NeedsRepair is thrown
  bool after_kill = false;  ///< the tapringd that served it last was killed
  uint64_t told_bytes = 0;  ///< the size of the disk as its guest knows it; 0 if it does not yet
};

/// How the image of a disk is to be opened.
ImageOptions image_options(const OpenRequest& request, const OpenPolicy& policy);

/// Blocks. Throws FileInUse, NeedsRepair, std::system_error or std::runtime_error that names the
/// image, the reason and the remedy.
std::unique_ptr<OpenImage> open_disk(const OpenRequest& request, const OpenPolicy& policy);

/// Calls open_disk() with the configured policy; tests have their own. For any thread.
using DiskOpener = std::function<std::unique_ptr<OpenImage>(const OpenRequest& request)>;

}  // namespace tapring
