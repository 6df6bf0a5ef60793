// SPDX-License-Identifier: MIT
#include "daemon/host/mount.h"

#include <sys/sysmacros.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

namespace tapring {
namespace {

/// Spaces and the like stand in a field as \ and three octal digits.
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

std::optional<Mount> parse_mount(const std::string& line) {
  std::istringstream fields(line);
  Mount mount;
  std::string skipped;
  unsigned device_major = 0;
  unsigned device_minor = 0;
  char colon = 0;
  fields >> skipped >> skipped >> device_major >> colon >> device_minor;
  fields >> mount.root >> mount.point >> mount.options;
  while (fields >> skipped && skipped != "-") continue;
  if (!(fields >> mount.type)) return std::nullopt;
  fields >> skipped >> mount.file_system_options;
  mount.device = makedev(device_major, device_minor);
  mount.root = unescape(mount.root);
  mount.point = unescape(mount.point);
  return mount;
}

}  // namespace

bool Mount::holds(std::string_view path) const noexcept {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

std::vector<Mount> read_mounts(std::istream& mountinfo) {
  std::vector<Mount> mounts;
  for (std::string line; std::getline(mountinfo, line);) {
    if (auto mount = parse_mount(line)) mounts.push_back(*std::move(mount));
  }
  return mounts;
}

std::vector<Mount> own_mounts() {
  std::ifstream mountinfo("/proc/self/mountinfo");
  return read_mounts(mountinfo);
}

}  // namespace tapring
