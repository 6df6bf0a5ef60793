// SPDX-License-Identifier: MIT
// The files that a disk is served from, in a line that xenstore keeps for the next tapringd: a
// guest that waits for its disk goes on with what it had, not with what the path leads to by then.
#pragma once

#include <span>
#include <string>

#include "ring/file.h"

namespace tapring {

/// `files`: OpenImage::files(), the image itself first. A file system without a device of its own
/// (NFS, btrfs) gets a new device number with each mount, so of its files only the inode counts.
std::string served_files_line(std::span<const FileId> files);

/// Whether these are the files of the line; true where the line is empty.
bool are_served_files(const std::string& line, std::span<const FileId> files);

/// Likewise of the image itself alone.
bool is_served_image(const std::string& line, const FileId& image);

}  // namespace tapring
