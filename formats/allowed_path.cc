// SPDX-License-Identifier: MIT
#include "formats/allowed_path.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace tapring {
namespace {

namespace fs = std::filesystem;

bool lies_under(const fs::path& path, const fs::path& directory) {
  const auto [end, unused] =
      std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return end == directory.end();
}

}  // namespace

void check_allowed_path(const std::string& path, const std::vector<std::string>& directories) {
  if (directories.empty()) return;
  const fs::path real = fs::weakly_canonical(path);
  std::string list;
  for (const std::string& directory : directories) {
    if (lies_under(real, fs::weakly_canonical(directory))) return;
    list += (list.empty() ? "" : ", ") + directory;
  }
  throw std::system_error(EACCES, std::system_category(),
                          real.string() + " is not in a directory where images may live (" + list +
                              "; see image_directories in tapringd.toml)");
}

}  // namespace tapring
