// SPDX-License-Identifier: MIT
#include "formats/image_name.h"

#include <filesystem>
#include <system_error>

namespace tapring {

ImageName split_image_name(const std::string& name) {
  const std::size_t at = name.rfind('@');
  std::error_code ignored;
  if (at == std::string::npos || at + 1 == name.size() || std::filesystem::exists(name, ignored)) {
    return {name, {}};
  }
  return {name.substr(0, at), name.substr(at + 1)};
}

}  // namespace tapring
