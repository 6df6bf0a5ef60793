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
  /// What no other disk of this host is called by: without a lock it waits for its predecessor, and
  /// for nobody else.
  std::string disk;
  /// The files that its guest has already, served_files_line()'s; empty if there are none yet.
  std::string served{};
  bool may_repair = false;    ///< otherwise NeedsRepair is thrown
  uint64_t told_bytes = 0;  ///< the size of the disk as its guest knows it; 0 if it does not yet
};

/// How the image of a disk is to be opened.
ImageOptions image_options(const OpenRequest& request, const OpenPolicy& policy);

/// Blocks. Throws FileInUse, NeedsRepair, std::system_error or std::runtime_error that names the
/// image, the reason and the remedy.
std::unique_ptr<OpenImage> open_disk(const OpenRequest& request, const OpenPolicy& policy);

/// open_disk() by a policy, or a test's way to do it. For any thread.
using DiskOpener = std::function<std::unique_ptr<OpenImage>(const OpenRequest& request)>;

}  // namespace tapring
