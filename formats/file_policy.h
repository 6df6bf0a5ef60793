// SPDX-License-Identifier: MIT
// Which files are opened for the disk of a guest: the image itself, whose path comes from the
// toolstack, and those that an image names, which come from whoever could write the image.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ring/open_file.h"

namespace tapring {

/// Which of the files that an image names (its backing file, its data file) may be used. All but
/// `any` also demand what `owner` does.
enum class NamedFiles : uint8_t {
  any,
  owner,      ///< what the owner of the image could open: see owner_could_open()
  directory,  ///< files in the image's own directory, and below it
  listed,     ///< files in FilePolicy::listed
  none,
};

/// The names of NamedFiles' values, in their order.
std::span<const char* const> named_files_names() noexcept;
std::optional<NamedFiles> parse_named_files(std::string_view name);
const char* named_files_name(NamedFiles choice) noexcept;

struct FilePolicy {
  std::vector<std::string> directories;  ///< where all files must be; none: anywhere
  NamedFiles named = NamedFiles::any;
  std::vector<std::string> listed;
};

/// An image that names a file.
struct Namer {
  std::string real_path;
  uid_t owner = 0;
};

Namer namer_of(const OpenFile& image);

/// Throws std::system_error with EACCES that names the file, the reason and the remedy where the
/// policy does not let it be opened. `writes`: it is to be written, too. `namer`: none for the
/// image that the toolstack names.
void check_allowed(const FilePolicy& policy, const FoundFile& file,
                   const std::optional<Namer>& namer, bool writes);

}  // namespace tapring
