// SPDX-License-Identifier: MIT
#include "daemon/vbd/served_files.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "daemon/host/fnv1a.h"

namespace tapring {
namespace {

/// Up to the inode.
std::string device_text_of(const FileId& file) {
  const auto device = static_cast<dev_t>(major(file.device) == 0 ? 0 : file.device);
  return fmt::format("{}:{}:", major(device), minor(device));
}

std::string text_of(const FileId& file) {
  return device_text_of(file) + std::to_string(file.inode);
}

/// As Mount::type has it: "fuse.sshfs", "fuseblk".
bool has_lasting_inodes(std::string_view type) {
  return !type.starts_with("fuse") && type != "cifs" && type != "smb3" && type != "smbfs";
}

/// A hash, as the list of a long chain would not fit in a value of xenstore.
uint64_t hash_of(std::span<const FileId> files) {
  std::string list;
  for (const FileId& file : files) list += text_of(file) + ' ';
  return fnv1a(list);
}

}  // namespace

std::string served_files_line(std::span<const FileId> files) {
  if (files.empty()) return {};
  return fmt::format("{} {} {:016x}", text_of(files.front()), files.size(), hash_of(files));
}

std::set<uint64_t> devices_without_lasting_inodes(const std::vector<Mount>& mounts) {
  std::set<uint64_t> devices;
  for (const Mount& mount : mounts) {
    if (!has_lasting_inodes(mount.type)) devices.insert(mount.device);
  }
  return devices;
}

bool are_served_files(const std::string& line, std::span<const FileId> files,
                      const std::set<uint64_t>& fleeting) {
  if (line.empty() || line == served_files_line(files)) return true;
  const auto is_fleeting = [&](const FileId& file) { return fleeting.contains(file.device); };
  if (std::ranges::none_of(files, is_fleeting)) return false;
  return is_served_image(line, files.front(), fleeting) &&
         line.find(fmt::format(" {} ", files.size())) != std::string::npos;
}

bool are_served_files(const std::string& line, std::span<const FileId> files) {
  return are_served_files(line, files, {}) ||
         are_served_files(line, files, devices_without_lasting_inodes(own_mounts()));
}

bool is_served_image(const std::string& line, const FileId& image,
                     const std::set<uint64_t>& fleeting) {
  if (fleeting.contains(image.device)) {
    return line.empty() || line.starts_with(device_text_of(image));
  }
  return line.empty() || line.starts_with(text_of(image) + ' ');
}

bool is_served_image(const std::string& line, const FileId& image) {
  return is_served_image(line, image, {}) ||
         is_served_image(line, image, devices_without_lasting_inodes(own_mounts()));
}

}  // namespace tapring
