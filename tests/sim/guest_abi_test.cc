// SPDX-License-Identifier: MIT
// Our idea of a guest's bytes against Xen's own header: as it is for x86_64 and arm, and for x86_32
// with 64-bit fields on multiples of 4, which is all that the i386 ABI does to these structures.
#include "tests/sim/guest_abi.h"

#include <gtest/gtest.h>

#include <cstddef>

extern "C" {
#include <xen/grant_table.h>
#include <xen/io/ring.h>
}

// Twice, so not at the top: each namespace has a blkif.h of its own.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
namespace wide {
#include <xen/io/blkif.h>
}  // namespace wide
#undef __XEN_PUBLIC_IO_BLKIF_H__
#pragma pack(push, 4)
namespace narrow {
#include <xen/io/blkif.h>
}  // namespace narrow
#pragma pack(pop)
#pragma GCC diagnostic pop

namespace tapring::sim {
namespace {

#define EXPECT_SAME_PLACE(ours, theirs, field) \
  EXPECT_EQ(offsetof(ours, field), offsetof(theirs, field))

template <typename Guest, typename Request, typename Discard, typename Indirect, typename Ring>
void expect_same_layout() {
  using OurRequest = typename Guest::Request;
  EXPECT_SAME_PLACE(OurRequest, Request, nr_segments);
  EXPECT_SAME_PLACE(OurRequest, Request, handle);
  EXPECT_SAME_PLACE(OurRequest, Request, id);
  EXPECT_SAME_PLACE(OurRequest, Request, sector_number);
  EXPECT_SAME_PLACE(OurRequest, Request, seg);
  using OurDiscard = typename Guest::Discard;
  EXPECT_SAME_PLACE(OurDiscard, Discard, flag);
  EXPECT_SAME_PLACE(OurDiscard, Discard, id);
  EXPECT_SAME_PLACE(OurDiscard, Discard, sector_number);
  EXPECT_SAME_PLACE(OurDiscard, Discard, nr_sectors);
  using OurIndirect = typename Guest::Indirect;
  EXPECT_SAME_PLACE(OurIndirect, Indirect, indirect_op);
  EXPECT_SAME_PLACE(OurIndirect, Indirect, nr_segments);
  EXPECT_SAME_PLACE(OurIndirect, Indirect, id);
  EXPECT_SAME_PLACE(OurIndirect, Indirect, sector_number);
  EXPECT_SAME_PLACE(OurIndirect, Indirect, handle);
  EXPECT_SAME_PLACE(OurIndirect, Indirect, indirect_grefs);
  EXPECT_SAME_PLACE(GuestRing<Guest>, Ring, req_prod);
  EXPECT_SAME_PLACE(GuestRing<Guest>, Ring, req_event);
  EXPECT_SAME_PLACE(GuestRing<Guest>, Ring, rsp_prod);
  EXPECT_SAME_PLACE(GuestRing<Guest>, Ring, rsp_event);
  EXPECT_SAME_PLACE(GuestRing<Guest>, Ring, ring);
  EXPECT_EQ(sizeof(typename Guest::Entry), sizeof(Ring::ring[0]));
}

template <typename Response>
void expect_same_response() {
  EXPECT_SAME_PLACE(GuestResponse, Response, id);
  EXPECT_SAME_PLACE(GuestResponse, Response, operation);
  EXPECT_SAME_PLACE(GuestResponse, Response, status);
}

template <typename Segment>
void expect_same_segment() {
  EXPECT_SAME_PLACE(GuestSegment, Segment, gref);
  EXPECT_SAME_PLACE(GuestSegment, Segment, first_sect);
  EXPECT_SAME_PLACE(GuestSegment, Segment, last_sect);
  EXPECT_EQ(sizeof(GuestSegment), sizeof(Segment));
}

TEST(GuestAbi, WideFieldsLieWhereXensHeaderHasThem) {
  expect_same_layout<Guest64, wide::blkif_request, wide::blkif_request_discard,
                     wide::blkif_request_indirect, wide::blkif_sring>();
  expect_same_response<wide::blkif_response>();
  expect_same_segment<wide::blkif_request_segment>();
}

TEST(GuestAbi, NarrowFieldsLieWhereXensHeaderHasThem) {
  expect_same_layout<Guest32, narrow::blkif_request, narrow::blkif_request_discard,
                     narrow::blkif_request_indirect, narrow::blkif_sring>();
  expect_same_response<narrow::blkif_response>();
  expect_same_segment<narrow::blkif_request_segment>();
}

TEST(GuestAbi, NumbersAreThoseOfXensHeader) {
  EXPECT_EQ(kGuestRead, BLKIF_OP_READ);
  EXPECT_EQ(kGuestWrite, BLKIF_OP_WRITE);
  EXPECT_EQ(kGuestBarrier, BLKIF_OP_WRITE_BARRIER);
  EXPECT_EQ(kGuestFlush, BLKIF_OP_FLUSH_DISKCACHE);
  EXPECT_EQ(kGuestDiscard, BLKIF_OP_DISCARD);
  EXPECT_EQ(kGuestIndirect, BLKIF_OP_INDIRECT);
  EXPECT_EQ(kGuestDiscardSecure, BLKIF_DISCARD_SECURE);
  EXPECT_EQ(kGuestOkay, BLKIF_RSP_OKAY);
  EXPECT_EQ(kGuestError, BLKIF_RSP_ERROR);
  EXPECT_EQ(kGuestNotSupported, BLKIF_RSP_EOPNOTSUPP);
  EXPECT_EQ(kGuestSegments, BLKIF_MAX_SEGMENTS_PER_REQUEST);
  EXPECT_EQ(kGuestIndirectPages, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST);
}

}  // namespace
}  // namespace tapring::sim
