// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/qcow2/bytes/bitmap_directory.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/bytes/snapshot_table.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// What an image says of itself.
struct Description {
  Header header;
  std::vector<Snapshot> snapshots;
  std::vector<Bitmap> bitmaps;
  bool bitmaps_kept = true;           ///< else they are not those of the disk any more
  std::vector<std::string> troubles;  ///< what could not be read
};

/// The features that an image has, as QEMU calls them.
std::vector<std::string> feature_names(const Header& header);

/// Reads no map. Throws std::system_error where the file is no image that is known here.
Description describe(const OpenFile& file);

}  // namespace tapring::qcow2
