// SPDX-License-Identifier: MIT
// A guest's idea of the bytes on a blkif ring, written from Xen's public headers (io/blkif.h,
// io/ring.h) and not from the daemon's constants: what the two disagree on, the tests find.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tapring::sim {

inline constexpr std::size_t kGuestSegments = 11;
inline constexpr std::size_t kGuestIndirectPages = 8;
inline constexpr std::size_t kGuestSegmentsPerIndirectPage = 512;

enum GuestOp : uint8_t {
  kGuestRead = 0,
  kGuestWrite = 1,
  kGuestBarrier = 2,
  kGuestFlush = 3,
  kGuestDiscard = 5,
  kGuestIndirect = 6,
};

enum GuestStatus : int16_t { kGuestOkay = 0, kGuestError = -1, kGuestNotSupported = -2 };

inline constexpr uint8_t kGuestDiscardSecure = 1;

#pragma pack(push, 1)

struct GuestSegment {
  uint32_t gref;
  uint8_t first_sect;
  uint8_t last_sect;
  uint16_t pad;
};

struct GuestResponse {
  uint64_t id;
  uint8_t operation;
  uint8_t pad;
  int16_t status;
};

/// x86_64, and arm of either width: 64-bit fields lie on multiples of 8.
struct Guest64 {
  struct Request {
    uint8_t operation;
    uint8_t nr_segments;
    uint16_t handle;
    uint32_t pad;
    uint64_t id;
    uint64_t sector_number;
    GuestSegment seg[kGuestSegments];
  };
  struct Discard {
    uint8_t operation;
    uint8_t flag;
    uint16_t handle;
    uint32_t pad;
    uint64_t id;
    uint64_t sector_number;
    uint64_t nr_sectors;
  };
  struct Indirect {
    uint8_t operation;
    uint8_t indirect_op;
    uint16_t nr_segments;
    uint32_t pad;
    uint64_t id;
    uint64_t sector_number;
    uint16_t handle;
    uint16_t pad2;
    uint32_t indirect_grefs[kGuestIndirectPages];
  };
  union Entry {
    Request request;
    Discard discard;
    Indirect indirect;
    GuestResponse response;
  };
};

/// x86_32: 64-bit fields lie on multiples of 4.
struct Guest32 {
  struct Request {
    uint8_t operation;
    uint8_t nr_segments;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    GuestSegment seg[kGuestSegments];
  };
  struct Discard {
    uint8_t operation;
    uint8_t flag;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    uint64_t nr_sectors;
  };
  struct Indirect {
    uint8_t operation;
    uint8_t indirect_op;
    uint16_t nr_segments;
    uint64_t id;
    uint64_t sector_number;
    uint16_t handle;
    uint16_t pad2;
    uint32_t indirect_grefs[kGuestIndirectPages];
    uint64_t pad3;
  };
  union Entry {
    Request request;
    Discard discard;
    Indirect indirect;
    GuestResponse response;
  };
};

template <typename Guest>
struct GuestRing {
  uint32_t req_prod;
  uint32_t req_event;
  uint32_t rsp_prod;
  uint32_t rsp_event;
  uint8_t pvt[4];
  uint8_t pad[44];
  typename Guest::Entry ring[1];
};

#pragma pack(pop)

static_assert(sizeof(Guest64::Entry) == 112 && sizeof(Guest32::Entry) == 108);
static_assert(sizeof(GuestResponse) == 12);

}  // namespace tapring::sim
