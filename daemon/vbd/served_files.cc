// SPDX-License-Identifier: MIT
#include "daemon/vbd/served_files.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <cstdint>

namespace tapring {
namespace {

std::string text_of(const FileId& file) {
  const auto device = static_cast<dev_t>(major(file.device) == 0 ? 0 : file.device);
  return fmt::format("{}:{}:{}", major(device), minor(device), file.inode);
}

/// A hash (FNV-1a), as the list of a long chain would not fit in a value of xenstore.
uint64_t hash_of(std::span<const FileId> files) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const FileId& file : files) {
    for (const char character : text_of(file) + ' ') {
      hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3;
    }
  }
  return hash;
}

}  // namespace

std::string served_files_line(std::span<const FileId> files) {
  if (files.empty()) return {};
  return fmt::format("{} {} {:016x}", text_of(files.front()), files.size(), hash_of(files));
}

bool are_served_files(const std::string& line, std::span<const FileId> files) {
  return line.empty() || line == served_files_line(files);
}

bool is_served_image(const std::string& line, const FileId& image) {
  return line.empty() || line.starts_with(text_of(image) + ' ');
}

}  // namespace tapring
