// SPDX-License-Identifier: MIT
#include "formats/reject.h"

#include <cerrno>
#include <system_error>

namespace tapring {

void reject(const std::string& path, const std::string& reason) {
  throw std::system_error(EINVAL, std::system_category(), path + ": " + reason);
}

}  // namespace tapring
