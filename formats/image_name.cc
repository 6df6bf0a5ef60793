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

ImageName split_after_file(const std::string& name) {
  std::error_code ignored;
  if (std::filesystem::exists(name, ignored)) return {name, {}};
  for (std::size_t at = name.rfind('@'); at != std::string::npos && at > 0;
       at = name.rfind('@', at - 1)) {
    if (std::filesystem::exists(name.substr(0, at), ignored)) {
      return {name.substr(0, at), name.substr(at + 1)};
    }
  }
  return split_image_name(name);
}

}  // namespace tapring
