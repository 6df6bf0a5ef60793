// SPDX-License-Identifier: MIT
// How a file can be used past the page cache (O_DIRECT). No single source tells: newer kernels say
// it for some file systems, older ones for none, and a read that works proves little, as file
// systems answer reads of holes whatever their alignment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ring/open_file.h"

namespace tapring {

/// What is known of a file, the best source first.
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

/// What offsets, lengths and memory must be multiples of, in bytes, 512 or more; 0: there is no
/// O_DIRECT. Never less than the storage takes: where little is known, that costs speed only.
uint32_t dio_align(const DirectFacts& facts);

/// Sets O_DIRECT on the file where the storage takes that. The file's notices say why not, or what
/// it costs. Blocks. Throws std::system_error.
void use_direct(OpenFile& file);

/// Takes O_DIRECT off again; the file's notices give the reason. Throws std::system_error.
void use_page_cache(OpenFile& file, const std::string& reason);

/// Has the kernel write out and drop the file's pages in its cache, as those of a copy just made:
/// else it gives each direct write there to a thread that drops them first. What fails, or is not
/// done in time, as a guest waits for its disk, costs speed only.
void drop_page_cache(const OpenFile& file);

}  // namespace tapring
