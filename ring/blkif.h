// SPDX-License-Identifier: MIT
// The bytes of a blkif ring (xen/include/public/io/blkif.h and ring.h): constants, and where the
// fields lie in each of the three ABIs. docs/blkif.md draws them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ring/sizes.h"

namespace tapring {

/// The layout of a frontend's requests, as its `protocol` key names it. Arm's is x86_64's.
enum class Abi : uint8_t { x86_64, x86_32 };

inline constexpr uint32_t kSectorsPerPage = kPageBytes / kSectorBytes;

enum class BlkifOp : uint8_t {
  read = 0,
  write = 1,
  write_barrier = 2,
  flush_diskcache = 3,
  discard = 5,
  indirect = 6,
};

enum class BlkifStatus : int16_t { okay = 0, error = -1, not_supported = -2 };

inline constexpr std::size_t kDirectSegments = 11;     ///< BLKIF_MAX_SEGMENTS_PER_REQUEST
inline constexpr std::size_t kIndirectPages = 8;       ///< BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST
inline constexpr std::size_t kIndirectSegments = 256;  ///< what we offer, as xen-blkback does
inline constexpr std::size_t kSegmentBytes = 8;        ///< {gref u32, first u8, last u8, pad u16}
inline constexpr uint8_t kDiscardSecure = 1;           ///< BLKIF_DISCARD_SECURE
inline constexpr unsigned kMaxRingOrder = 4;           ///< XENBUS_MAX_RING_GRANT_ORDER

// The indirect segments we offer fit one page, so only the first indirect reference is ever read.
static_assert(kIndirectSegments * kSegmentBytes <= kPageBytes);

/// struct blkif_sring: four indices, a private area, then the entries.
struct SharedRingLayout {
  static constexpr std::size_t request_producer = 0;
  static constexpr std::size_t request_event = 4;
  static constexpr std::size_t response_producer = 8;
  static constexpr std::size_t response_event = 12;
  static constexpr std::size_t entries = 64;
};

/// Offsets in bytes of the fields of struct blkif_request, blkif_request_indirect,
/// blkif_request_discard and blkif_response. Operation is byte 0; nr_segments byte 1 of a direct
/// request; an indirect one has its inner operation in byte 1 and a 16-bit nr_segments in bytes 2
/// and 3; a discard has flags in byte 1.
struct RequestLayout {
  std::size_t entry_bytes;  ///< sizeof(union blkif_sring_entry)
  std::size_t id;
  std::size_t sector;
  std::size_t segments;
  std::size_t indirect_refs;
  std::size_t discard_sectors;
};

inline constexpr RequestLayout kLayout64{112, 8, 16, 24, 28, 24};
inline constexpr RequestLayout kLayout32{108, 4, 12, 20, 24, 20};

struct ResponseLayout {
  static constexpr std::size_t id = 0;
  static constexpr std::size_t operation = 8;
  static constexpr std::size_t status = 10;
};

constexpr const RequestLayout& layout_of(Abi abi) noexcept {
  return abi == Abi::x86_32 ? kLayout32 : kLayout64;
}

/// Entries of a ring of `pages` pages: the largest power of two that fits (__RING_SIZE).
constexpr uint32_t ring_entries(Abi abi, std::size_t pages) noexcept {
  const std::size_t fit =
      (pages * kPageBytes - SharedRingLayout::entries) / layout_of(abi).entry_bytes;
  uint32_t size = 1;
  while (size * 2 <= fit) size *= 2;
  return size;
}

}  // namespace tapring
