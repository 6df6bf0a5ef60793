// SPDX-License-Identifier: MIT
// What xen-blkback serves a disk from, its block device, beside what we serve it from. A guest that
// goes from one to the other must find the same data and no smaller disk.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/host/block_device.h"
#include "ring/file.h"

namespace tapring {

/// What we have open.
struct ServedFile {
  std::string path;
  FileId file;
};

/// Why the device does not show the file, all of it and nothing else, as far as that can be told
/// without a look at the storage; empty if it may.
std::string why_not_whole(const BlockDevice& device, const ServedFile& image);

/// Why the device is not the file, or has another one; empty if it is the same. Blocks as long as
/// the storage does.
std::string why_another_file(const BlockDevice& device, const ServedFile& image);

/// Why xen-blkback would make a disk of `disk_bytes` smaller; empty if it would not.
std::string why_smaller(const BlockDevice& device, uint64_t disk_bytes);

}  // namespace tapring
