// SPDX-License-Identifier: MIT
#include "formats/file_policy.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "formats/owner_rule.h"
#include "ring/unique_fd.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;

constexpr std::array kNames = {"any", "owner", "directory", "listed", "none"};

[[noreturn]] void refuse(const std::string& reason) {
  throw std::system_error(EACCES, std::system_category(), reason);
}

bool lies_under(const fs::path& path, const fs::path& directory) {
  const auto [end, unused] =
      std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return end == directory.end();
}

/// Where the directory is, without links; empty where it is not there.
fs::path real_directory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fd ? real_path_of(fd.get()) : fs::path();
}

bool lies_under_one(const FoundFile& file, const std::vector<std::string>& directories) {
  return std::ranges::any_of(directories, [&](const std::string& directory) {
    const fs::path real = real_directory(directory);
    return !real.empty() && lies_under(file.real_path, real);
  });
}

std::string describe(const std::vector<std::string>& directories) {
  std::string words;
  for (const std::string& directory : directories) {
    words += (words.empty() ? "" : ", ") + directory;
  }
  return words;
}

void check_named(const FilePolicy& policy, const FoundFile& file, const Namer& namer,
                 bool writes) {
  if (policy.named == NamedFiles::any) return;
  const std::string what = file.real_path + " may not be named by an image";
  const std::string key = "; see named_files in tapringd.toml)";
  if (policy.named == NamedFiles::none) {
    refuse(what + " (qemu-img convert makes one that names none" + key);
  }
  if (!owner_could_open(namer.owner, file, writes)) {
    refuse(what + " of uid " + std::to_string(namer.owner) + ", who may not " +
           (writes ? "write" : "read") + " it (chmod it, or chown the image" + key);
  }
  const fs::path beside = fs::path(namer.real_path).parent_path();
  if (policy.named == NamedFiles::directory && !lies_under(file.real_path, beside)) {
    refuse(what + " outside " + beside.string() + " (move it there" + key);
  }
  if (policy.named == NamedFiles::listed && !lies_under_one(file, policy.listed)) {
    refuse(what + ", as it is in no directory of named_file_directories (" +
           describe(policy.listed) + key);
  }
}

}  // namespace

std::span<const char* const> named_files_names() noexcept {
  return kNames;
}

std::optional<NamedFiles> parse_named_files(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<NamedFiles>(found - kNames.begin());
}

const char* named_files_name(NamedFiles choice) noexcept {
  return kNames.at(static_cast<std::size_t>(choice));
}

Namer namer_of(const OpenFile& image) { return {image.real_path, image.owner}; }

void check_allowed(const FilePolicy& policy, const FoundFile& file,
                   const std::optional<Namer>& namer, bool writes) {
  if (!policy.directories.empty() && !lies_under_one(file, policy.directories)) {
    refuse(file.real_path + " is not in a directory where images may live (" +
           describe(policy.directories) + "; see image_directories in tapringd.toml)");
  }
  if (namer) check_named(policy, file, *namer, writes);
}

}  // namespace tapring
