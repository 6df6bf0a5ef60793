// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace tapring {

/// What our own check says of an image that nobody has open.
struct Verdict {
  std::string damage;  ///< empty if there is none
  uint64_t leaks = 0;  ///< clusters that nothing refers to
};

/// A raw image is always in order.
Verdict verdict_on(const std::string& path, const std::string& format);

}  // namespace tapring
