// SPDX-License-Identifier: MIT
// What the background thread does to open a disk's image.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/disk_spec.h"
#include "formats/image.h"

namespace tapring {

struct OpenPolicy {
  std::vector<std::string> image_directories;  ///< where images may live; empty: anywhere
  std::chrono::milliseconds lock_wait{0};
};

/// `mode`: as libxl writes it; "w!" leaves out the lock. Blocks. Throws std::system_error or
/// std::runtime_error that names the image, the reason and the remedy.
std::unique_ptr<OpenImage> open_disk(const DiskSpec& spec, const std::string& mode,
                                     const OpenPolicy& policy);

/// open_disk() by a policy, or a test's way to do it. For any thread.
using DiskOpener =
    std::function<std::unique_ptr<OpenImage>(const DiskSpec& spec, const std::string& mode)>;

}  // namespace tapring
