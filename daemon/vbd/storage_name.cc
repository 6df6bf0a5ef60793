// SPDX-License-Identifier: MIT
#include "daemon/vbd/storage_name.h"

#include <fstream>
#include <sstream>

namespace tapring {
namespace {

/// Spaces and the like stand there as \ and three octal digits.
std::string unescape(const std::string& field) {
  constexpr std::size_t kDigits = 3;
  std::string text;
  for (std::size_t at = 0; at < field.size(); ++at) {
    const std::string digits = field.substr(at + 1, kDigits);
    const bool escaped = field[at] == '\\' && digits.size() == kDigits &&
                         digits.find_first_not_of("01234567") == std::string::npos;
    text += escaped ? static_cast<char>(std::stoi(digits, nullptr, 8)) : field[at];
    if (escaped) at += kDigits;
  }
  return text;
}

bool leads_to(const std::string& path, const std::string& directory) {
  return directory == "/" || path == directory || path.starts_with(directory + '/');
}

}  // namespace

std::string storage_name(const std::string& path) {
  std::ifstream mounts("/proc/self/mountinfo");
  return storage_name(path, mounts);
}

std::string storage_name(const std::string& path, std::istream& mounts) {
  if (path.starts_with("/dev/")) return path;
  std::string longest;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string number, parent, device, root, mount_point;
    fields >> number >> parent >> device >> root >> mount_point;
    mount_point = unescape(mount_point);
    if (mount_point.size() > longest.size() && leads_to(path, mount_point)) longest = mount_point;
  }
  return longest;
}

}  // namespace tapring
