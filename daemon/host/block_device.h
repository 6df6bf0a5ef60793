// SPDX-License-Identifier: MIT
// A block device as sysfs describes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "ring/file.h"

namespace tapring {

struct BlockDevice {
  struct Loop {
    /// The path that the kernel has for its file now. Ends in " (deleted)" if the file has none;
    /// empty if the loop device has no file.
    std::string file;
    uint64_t offset = 0;      ///< in bytes: where in the file the device begins
    uint64_t size_limit = 0;  ///< in bytes; 0: up to the end of the file
  };

  std::string path;  ///< "/dev/loop0"
  FileId id;
  uint64_t size_bytes = 0;
  std::optional<Loop> loop;  ///< of a loop device
};

/// `number`: "major:minor" in hexadecimal digits, as hotplug scripts write physical-device. nullopt
/// if there is no such device. The device itself is not opened: the service sees no /dev.
std::optional<BlockDevice> read_block_device(const std::filesystem::path& sysfs,
                                             const std::string& number);

}  // namespace tapring
