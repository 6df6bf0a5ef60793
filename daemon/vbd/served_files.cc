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
template <typename Text>
std::string hash_of(std::span<const FileId> files, Text text) {
  std::string list;
  for (const FileId& file : files) list += text(file) + ' ';
  return fmt::format("{:016x}", fnv1a(list));
}

std::string line_without_births(std::span<const FileId> files) {
  return fmt::format("{} {} {}", text_of(files.front()), files.size(), hash_of(files, text_of));
}

/// Of a line, its words from that number on.
std::string words_from(const std::string& line, int number) {
  std::size_t at = 0;
  for (; number > 0; --number) {
    at = line.find(' ', at);
    if (at == std::string::npos) return {};
    ++at;
  }
  return line.substr(at);
}

constexpr int kBirthWord = 3;   ///< when the image was made
constexpr int kBirthsWord = 4;  ///< a hash of that of each file

std::string birth_of(const FileId& file) {
  return fmt::format("{:x}", file.born);
}

/// Also where the line is of a tapringd that did not ask, or the file system does not tell.
bool may_be_born_so(const std::string& line, const FileId& image) {
  const std::string births = words_from(line, kBirthWord);
  return births.empty() || image.born == 0 || births.starts_with(birth_of(image) + ' ');
}

bool may_be_born_so(const std::string& line, std::span<const FileId> files) {
  const std::string births = words_from(line, kBirthsWord);
  return may_be_born_so(line, files.front()) &&
         (births.empty() || files.front().born == 0 || births == hash_of(files, birth_of));
}

}  // namespace

std::string served_files_line(std::span<const FileId> files) {
  if (files.empty()) return {};
  const std::string line = line_without_births(files);
  const FileId& image = files.front();
  if (image.born == 0) return line;
  return fmt::format("{} {} {}", line, birth_of(image), hash_of(files, birth_of));
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
  if (line.empty() || files.empty()) return line.empty();
  const std::string inodes = line_without_births(files);
  const bool same_inodes = line == inodes || line.starts_with(inodes + ' ');
  if (same_inodes && may_be_born_so(line, files)) return true;
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
  if (line.empty()) return true;
  return line.starts_with(text_of(image) + ' ') && may_be_born_so(line, image);
}

bool is_served_image(const std::string& line, const FileId& image) {
  return is_served_image(line, image, {}) ||
         is_served_image(line, image, devices_without_lasting_inodes(own_mounts()));
}

}  // namespace tapring
