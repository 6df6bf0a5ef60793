// SPDX-License-Identifier: MIT
// Names in an image: bytes without an end mark, whose encoding it does not say.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>

namespace tapring::qcow2 {

inline std::string text_of(std::span<const std::byte> bytes) {
  std::string text(bytes.size(), '\0');
  if (!bytes.empty()) std::memcpy(text.data(), bytes.data(), bytes.size());
  return text;
}

}  // namespace tapring::qcow2
