// SPDX-License-Identifier: MIT
#include "daemon/open_disk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "formats/format.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;

bool lies_under(const fs::path& path, const fs::path& directory) {
  const auto [end, unused] =
      std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return end == directory.end();
}

/// By the real path, so that no link leads out.
void check_directory(const std::string& path, const std::vector<std::string>& allowed) {
  if (allowed.empty()) return;
  const fs::path real = fs::weakly_canonical(path);
  const bool inside = std::ranges::any_of(allowed, [&real](const std::string& directory) {
    return lies_under(real, fs::weakly_canonical(directory));
  });
  if (inside) return;
  throw std::runtime_error(
      fmt::format("{} is not in a directory where images may live ({}; see image_directories in "
                  "tapringd.toml)",
                  real.string(), fmt::join(allowed, ", ")));
}

}  // namespace

std::unique_ptr<OpenImage> open_disk(const DiskSpec& spec, const std::string& mode,
                                     const OpenPolicy& policy) {
  check_directory(spec.path, policy.image_directories);
  ImageOptions options;
  options.path = spec.path;
  options.read_only = mode.find('w') == std::string::npos;
  options.locked = mode.find('!') == std::string::npos;
  options.lock_wait = policy.lock_wait;
  return find_format(spec.format)->open(options);
}

}  // namespace tapring
