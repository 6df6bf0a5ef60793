// SPDX-License-Identifier: MIT
// How a file can be used past the page cache (O_DIRECT), which no single source tells: newer
// kernels say it for some file systems, older ones for none, and a read that works proves little,
// as file systems answer reads of holes without looking at their alignment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ring/open_file.h"

namespace tapring {

/// What is known of a file, from the best source to the last one.
struct DirectFacts {
  /// The larger of the alignments of memory and of offsets, in bytes; 0: not for this file
  /// (statx(2), STATX_DIOALIGN).
  std::optional<uint32_t> stated{};
  bool any_alignment = false;  ///< the file system takes any, if need be through the page cache
  /// The logical block of the device that the file is on, in bytes; 0: no single one is known.
  uint32_t device_block_bytes = 0;
  /// Whether 512 bytes of data could be read at a multiple of 512; nullopt: the file has no data.
  std::optional<bool> reads_sector{};
};

/// What offsets, lengths and memory have to be multiples of, in bytes, 512 or more; 0: there is no
/// O_DIRECT. Never less than the storage takes: what is not known costs speed only.
uint32_t direct_block_bytes(const DirectFacts& facts);

/// Sets O_DIRECT on the file where the storage takes that, and says in its notices why not, or what
/// it costs. Blocks. Throws std::system_error.
void use_direct(OpenFile& file);

/// Takes O_DIRECT off again, for this reason, which its notices give. Throws std::system_error.
void use_page_cache(OpenFile& file, const std::string& reason);

/// Has the kernel write out and forget what it still holds of the file, from a copy just made
/// perhaps: it would give each direct write there to a thread that removes it first. What fails, or
/// is left because a guest waits for its disk, costs time only.
void leave_page_cache(const OpenFile& file);

}  // namespace tapring
