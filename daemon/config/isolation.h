// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

#include "daemon/host/names.h"

namespace tapring {

/// Which disks share a process: what fails or hangs for one of them, does so for all of these.
enum class Isolation : uint8_t {
  guest,    ///< those of a guest, its stub domain's too
  storage,  ///< those whose images lie in one directory, or volumes in one group
  host,     ///< all
};

template <>
inline constexpr std::array<const char*, 3> kNames<Isolation> = {"guest", "storage", "host"};

}  // namespace tapring
