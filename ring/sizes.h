// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace tapring {

/// What disks and guests count in: the unit of the ring, and of all offsets of an image.
inline constexpr uint32_t kSectorBytes = 512;

/// A page of memory, and the unit of granting on x86 and arm (XEN_PAGE_SIZE of Linux).
inline constexpr std::size_t kPageBytes = 4096;

}  // namespace tapring
