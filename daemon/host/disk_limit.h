// SPDX-License-Identifier: MIT
// How many disks there are file descriptors for, and how many pages of guests mappings.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tapring {

/// Descriptors of a disk with parts on `workers` workers: for each part one of its image, of which
/// others may lie below; those of its journal, or of an opening and a closing at once; and the
/// witnesses of an image and its data file, until they are asked.
constexpr uint64_t descriptors_of_disk(uint32_t workers) noexcept {
  return uint64_t{workers} * 2 + 6;
}

/// All else: standard streams, sockets, event loops, and for each worker the rings of io_uring and
/// Xen's devices; with room to spare.
constexpr uint64_t descriptors_of_daemon(uint32_t workers) noexcept {
  return uint64_t{workers} * 8 + 128;
}

/// The most disks that so many descriptors allow, at least one.
uint32_t disk_limit(uint64_t descriptors, uint32_t workers) noexcept;

/// The most pages of guests that each worker may keep mapped, of so many mappings of the process:
/// together half of them. The others are for rings, journals, threads and memory.
constexpr std::size_t kept_page_limit(std::size_t mappings, uint32_t workers) noexcept {
  return mappings / 2 / workers;
}

/// The mappings that this process may have (vm.max_map_count; see proc_sys_vm(5)).
std::size_t mapping_limit();

/// Allows this process as many descriptors as it may have, and says how many that are.
uint64_t raise_descriptor_limit() noexcept;

}  // namespace tapring
