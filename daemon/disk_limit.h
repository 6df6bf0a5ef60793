// SPDX-License-Identifier: MIT
// How many disks there are file descriptors for.
#pragma once

#include <cstdint>

namespace tapring {

/// Descriptors of a disk with parts on `workers` workers: for each part one of its image, of which
/// others may lie below; and those of its journal, or of an opening and a closing at once.
constexpr uint64_t descriptors_of_disk(uint32_t workers) noexcept {
  return uint64_t{workers} * 2 + 4;
}

/// All else: standard streams, sockets, event loops, and for each worker the rings of io_uring and
/// Xen's devices; with room to spare.
constexpr uint64_t descriptors_of_daemon(uint32_t workers) noexcept {
  return uint64_t{workers} * 8 + 128;
}

/// The most disks that so many descriptors allow, at least one.
uint32_t disk_limit(uint64_t descriptors, uint32_t workers) noexcept;

/// Allows this process as many descriptors as it may have, and says how many that are.
uint64_t raise_descriptor_limit() noexcept;

}  // namespace tapring
