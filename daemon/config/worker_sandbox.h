// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

#include "daemon/host/names.h"

namespace tapring {

/// Whether worker processes are kept from what serving disks does not take.
enum class WorkerSandbox : uint8_t { on, off };

template <>
inline constexpr std::array<const char*, 2> kNames<WorkerSandbox> = {"on", "off"};

}  // namespace tapring
