// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

namespace tapring {

/// The hash FNV-1a of 64 bits. For what another tapringd, of another version or on another host,
/// must find alike: std::hash may differ there. Not for what somebody may forge.
constexpr uint64_t fnv1a(std::string_view text) noexcept {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char character : text) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace tapring
