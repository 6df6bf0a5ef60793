// SPDX-License-Identifier: MIT
// The files that a disk is served from, in a line that xenstore keeps for the next tapringd: a
// guest that waits for its disk goes on with what it had, not with what the path leads to by then.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "daemon/host/mount.h"
#include "ring/file.h"

namespace tapring {

/// `files`: OpenImage::files(), the image itself first. A file system without a device of its own
/// (NFS, btrfs) gets a new device number with each mount, so of its files only the inode counts.
/// When they were made counts where both tell: a file that is gone leaves its inode to another.
std::string served_files_line(std::span<const FileId> files);

/// The devices (FileId::device) of file systems that may give a file another inode number once the
/// kernel has forgotten it: FUSE and SMB, where only some servers have lasting numbers.
std::set<uint64_t> devices_without_lasting_inodes(const std::vector<Mount>& mounts);

/// Whether these are the files of the line; true where the line is empty. Of files on `fleeting`
/// devices only the file system is compared, and of an image that has any, only the image itself
/// and how many files there are.
bool are_served_files(const std::string& line, std::span<const FileId> files,
                      const std::set<uint64_t>& fleeting);

/// With the fleeting devices of this process, which are looked for only if something differs.
bool are_served_files(const std::string& line, std::span<const FileId> files);

/// Likewise of the image itself alone.
bool is_served_image(const std::string& line, const FileId& image,
                     const std::set<uint64_t>& fleeting);
bool is_served_image(const std::string& line, const FileId& image);

}  // namespace tapring
