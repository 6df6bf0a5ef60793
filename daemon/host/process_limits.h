// SPDX-License-Identifier: MIT
// What the kernel allows this process: file descriptors, so disks; mappings, so pages of guests;
// core dumps, and what they may hold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "daemon/host/names.h"

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

/// What a core dump of the daemon may hold: it may go to whoever looks for our mistakes, and the
/// data of guests may not.
enum class CoreDumps : uint8_t {
  none,
  without_guest_data,  ///< what guests write and read is in memory that is left out
  full,                ///< but for pages of guests, which the kernel leaves out of every dump
};

template <>
inline constexpr std::array<const char*, 3> kNames<CoreDumps> = {"none", "without-guest-data",
                                                                 "full"};

/// For this process, before there is any data of guests. A core may be as large as the limit allows
/// that the process was started with.
void allow_core_dumps(CoreDumps choice);

}  // namespace tapring
