// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tapring {

/// What an image is to be that is made, as it is typed; empty and 0: not given.
struct CreateOptions {
  std::string path;
  std::string format;       ///< qcow2 or raw
  uint64_t size_bytes = 0;  ///< of the disk; of the backing file, where it is not given
  std::string backing;
  std::string backing_format;
  std::string data_file;
  std::string preallocate = "off";  ///< or metadata, falloc
  std::string compression = "zlib";
  uint64_t cluster_bytes = 65536;
  uint64_t refcount_bits = 16;
  uint32_t version = 3;
  bool data_file_raw = false;
  bool extended_l2 = false;
  bool lazy_refcounts = false;
  bool force = false;  ///< overwrites a file that is there
};

/// Told how many of how many steps are done. It may throw.
using CreateProgress = std::function<void(uint64_t done, uint64_t all)>;

}  // namespace tapring
