// SPDX-License-Identifier: MIT
// What `tapring image create` does.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace tapring {

/// As it is typed; empty and 0: not given.
struct ImageOrder {
  std::string path;
  std::string format;  ///< qcow2 or raw
  uint64_t size_bytes = 0;
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
  bool force = false;  ///< over a file that there is
};

/// Makes the image, or leaves nothing, also where a signal ends the process: see UnfinishedFile.
/// Shows on `terminal`, if there is one, how far it is. Throws FileInUse, and std::runtime_error
/// that says what is wrong with the order.
void create_image(const ImageOrder& order, std::ostream* terminal);

}  // namespace tapring
