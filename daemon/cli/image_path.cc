// SPDX-License-Identifier: MIT
#include "daemon/cli/image_path.h"

#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "formats/format.h"
#include "formats/image_name.h"

namespace tapring {
namespace {

bool is_there(const std::string& path) {
  std::error_code hidden;
  return std::filesystem::exists(path, hidden);
}

[[noreturn]] void ask_for_path(const std::string& typed, const std::string& path,
                               const std::string& more) {
  throw std::runtime_error(typed + ": give the path alone: " + path + more);
}

}  // namespace

void check_is_path(const std::string& typed) {
  if (is_there(typed)) return;
  const std::size_t colon = typed.find(':');
  if (colon != std::string::npos && find_format(typed.substr(0, colon)) != nullptr) {
    ask_for_path(typed, typed.substr(colon + 1),
                 ", and its format, if need be, as --format " + typed.substr(0, colon));
  }
  const ImageName name = split_after_file(typed);
  if (!name.selector.empty() && is_there(name.path)) {
    ask_for_path(typed, name.path, ", of which tapring image info lists the snapshots");
  }
}

OpenFile open_to_look(const std::string& path) {
  FileOptions options;
  options.path = path;
  options.read_only = true;
  options.lock.sharing = Sharing::unlocked;
  options.audience = Audience::shell;
  return open_file(options);
}

}  // namespace tapring
