// SPDX-License-Identifier: MIT
#include "ring/request.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <span>

#include "tests/sim/guest_abi.h"

namespace tapring {
namespace {

using sim::Guest32;
using sim::Guest64;

template <typename Guest>
struct AbiOf;
template <>
struct AbiOf<Guest64> {
  static constexpr Abi value = Abi::x86_64;
};
template <>
struct AbiOf<Guest32> {
  static constexpr Abi value = Abi::x86_32;
};

/// Decodes what a guest of either ABI wrote.
template <typename Guest>
class DecodeRequest : public testing::Test {
 protected:
  using Entry = typename Guest::Entry;

  DecodeRequest() { std::memset(&entry_, 0xEE, sizeof entry_); }

  Request decode() const {
    return decode_request(AbiOf<Guest>::value, std::as_bytes(std::span(&entry_, 1)));
  }

  Entry entry_;
};

using Guests = testing::Types<Guest64, Guest32>;
TYPED_TEST_SUITE(DecodeRequest, Guests);

TYPED_TEST(DecodeRequest, DirectFieldsComeFromTheirPlaces) {
  auto& wire = this->entry_.request;
  wire.operation = sim::kGuestWrite;
  wire.nr_segments = 2;
  wire.id = 0x0123456789abcdef;
  wire.sector_number = 0xfedcba9876543210;
  wire.seg[1] = {.gref = 77, .first_sect = 3, .last_sect = 5, .pad = 0xFFFF};
  const Request request = this->decode();
  EXPECT_EQ(request.operation, sim::kGuestWrite);
  EXPECT_FALSE(request.indirect);
  EXPECT_EQ(request.id, 0x0123456789abcdefU);
  EXPECT_EQ(request.sector, 0xfedcba9876543210U);
  EXPECT_EQ(request.segment_count, 2);
  EXPECT_EQ(request.segments[1].ref, 77U);
  EXPECT_EQ(request.segments[1].first_sector, 3);
  EXPECT_EQ(request.segments[1].last_sector, 5);
}

TYPED_TEST(DecodeRequest, TheLastDirectSegmentIsDecoded) {
  auto& wire = this->entry_.request;
  wire.operation = sim::kGuestRead;
  wire.nr_segments = sim::kGuestSegments;
  wire.seg[10] = {.gref = 99, .first_sect = 0, .last_sect = 7, .pad = 0};
  EXPECT_EQ(this->decode().segments[10].ref, 99U);
  EXPECT_EQ(this->decode().segments[10].sectors(), 8U);
}

TYPED_TEST(DecodeRequest, IndirectFieldsComeFromTheirPlaces) {
  auto& wire = this->entry_.indirect;
  wire.operation = sim::kGuestIndirect;
  wire.indirect_op = sim::kGuestRead;
  wire.nr_segments = 256;
  wire.id = 5;
  wire.sector_number = 4096;
  wire.indirect_grefs[0] = 1234;
  const Request request = this->decode();
  EXPECT_TRUE(request.indirect);
  EXPECT_EQ(request.operation, sim::kGuestRead);
  EXPECT_EQ(request.segment_count, 256);
  EXPECT_EQ(request.id, 5U);
  EXPECT_EQ(request.sector, 4096U);
  EXPECT_EQ(request.indirect_ref, 1234U);
}

TYPED_TEST(DecodeRequest, DiscardFieldsComeFromTheirPlaces) {
  auto& wire = this->entry_.discard;
  wire.operation = sim::kGuestDiscard;
  wire.id = 42;
  wire.sector_number = 0xfedcba9876543210;
  wire.nr_sectors = 0x0123456789abcdef;
  const Request request = this->decode();
  EXPECT_EQ(request.id, 42U);
  EXPECT_EQ(request.operation, sim::kGuestDiscard);
  EXPECT_EQ(request.sector, 0xfedcba9876543210U);
  EXPECT_EQ(request.discard_sectors, 0x0123456789abcdefU);
  EXPECT_EQ(request.segment_count, 0);
}

TYPED_TEST(DecodeRequest, ADiscardIsSecureByBit0OfItsFlagsOnly) {
  this->entry_.discard.operation = sim::kGuestDiscard;
  this->entry_.discard.flag = 0xFE;
  EXPECT_FALSE(this->decode().secure);
  this->entry_.discard.flag = sim::kGuestDiscardSecure;
  EXPECT_TRUE(this->decode().secure);
}

TYPED_TEST(DecodeRequest, AnUnknownOperationKeepsItsId) {
  this->entry_.request.operation = 0xC3;
  this->entry_.request.id = 43;
  EXPECT_EQ(this->decode().id, 43U);
  EXPECT_EQ(this->decode().operation, 0xC3);
}

TYPED_TEST(DecodeRequest, MoreSegmentsThanFitAreNotRead) {
  this->entry_.request.operation = sim::kGuestRead;
  this->entry_.request.nr_segments = 255;
  EXPECT_EQ(this->decode().segment_count, 255);
}

TEST(DecodeSegments, TakesEveryEntryOfTheList) {
  std::array<sim::GuestSegment, 256> wire{};
  wire[255] = {.gref = 7, .first_sect = 1, .last_sect = 2, .pad = 0xFFFF};
  std::array<Segment, 256> segments{};
  decode_segments(std::as_bytes(std::span(wire)), segments);
  EXPECT_EQ(segments[255].ref, 7U);
  EXPECT_EQ(segments[255].first_sector, 1);
  EXPECT_EQ(segments[255].last_sector, 2);
}

constexpr RequestLimits kDisk{.sectors = 1000, .read_only = false, .discards = true};
constexpr RequestLimits kReadOnlyDisk{.sectors = 1000, .read_only = true, .discards = true};
constexpr RequestLimits kThickDisk{.sectors = 1000, .read_only = false, .discards = false};

Request page_at(uint64_t sector, BlkifOp operation = BlkifOp::read) {
  Request request{};
  request.operation = static_cast<uint8_t>(operation);
  request.sector = sector;
  request.segment_count = 1;
  request.segments[0] = {.ref = 8, .first_sector = 0, .last_sector = 7};
  return request;
}

Request discard(uint64_t sector, uint64_t sectors) {
  Request request{};
  request.operation = static_cast<uint8_t>(BlkifOp::discard);
  request.sector = sector;
  request.discard_sectors = sectors;
  return request;
}

TEST(CheckRequest, AcceptsWhatFillsTheDiskToItsEnd) {
  EXPECT_EQ(check_request(page_at(992), kDisk), std::nullopt);
}

TEST(CheckRequest, RefusesWhatLeavesTheDisk) {
  EXPECT_EQ(check_request(page_at(993), kDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(page_at(1000), kDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(page_at(UINT64_MAX), kDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(page_at(UINT64_MAX - 7), kDisk), BlkifStatus::error);
}

TEST(CheckRequest, RefusesASectorNumberThatWrapsInBytes) {
  EXPECT_EQ(check_request(page_at(uint64_t{1} << 55U), kDisk), BlkifStatus::error);
}

TEST(CheckRequest, RefusesSegmentsOutsideOfTheirPage) {
  Request request = page_at(0);
  request.segments[0].last_sector = 8;
  EXPECT_EQ(check_request(request, kDisk), BlkifStatus::error);
  request.segments[0] = {.ref = 8, .first_sector = 5, .last_sector = 4};
  EXPECT_EQ(check_request(request, kDisk), BlkifStatus::error);
}

TEST(CheckRequest, RefusesTooManySegments) {
  Request request = page_at(0);
  request.segment_count = 12;
  EXPECT_EQ(check_request(request, kDisk), BlkifStatus::error);
  request.indirect = true;
  request.segment_count = 256;
  EXPECT_EQ(check_request(request, kDisk), std::nullopt);
  request.segment_count = 257;
  EXPECT_EQ(check_request(request, kDisk), BlkifStatus::error);
}

TEST(CheckRequest, OnlyAFlushOrABarrierMayHaveNoData) {
  Request request = page_at(0);
  request.segment_count = 0;
  EXPECT_EQ(check_request(request, kDisk), BlkifStatus::error);
  request.operation = sim::kGuestFlush;
  EXPECT_EQ(check_request(request, kDisk), std::nullopt);
  request.operation = sim::kGuestBarrier;
  EXPECT_EQ(check_request(request, kDisk), std::nullopt);
}

TEST(CheckRequest, AnEmptyFlushMayNameAnySector) {
  Request request = page_at(UINT64_MAX, BlkifOp::flush_diskcache);
  request.segment_count = 0;
  EXPECT_EQ(check_request(request, kDisk), std::nullopt);
}

TEST(CheckRequest, AReadOnlyDiskTakesNoData) {
  EXPECT_EQ(check_request(page_at(0), kReadOnlyDisk), std::nullopt);
  EXPECT_EQ(check_request(page_at(0, BlkifOp::write), kReadOnlyDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(page_at(0, BlkifOp::flush_diskcache), kReadOnlyDisk),
            BlkifStatus::error);
  EXPECT_EQ(check_request(page_at(0, BlkifOp::write_barrier), kReadOnlyDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(discard(0, 8), kReadOnlyDisk), BlkifStatus::error);
}

TEST(CheckRequest, AcceptsADiscardOfTheWholeDisk) {
  EXPECT_EQ(check_request(discard(0, 1000), kDisk), std::nullopt);
}

TEST(CheckRequest, RefusesADiscardOfNothingOrBeyondTheDisk) {
  EXPECT_EQ(check_request(discard(0, 0), kDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(discard(0, 1001), kDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(discard(1000, 1), kDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(discard(1, UINT64_MAX), kDisk), BlkifStatus::error);
  EXPECT_EQ(check_request(discard(UINT64_MAX, 2), kDisk), BlkifStatus::error);
}

TEST(CheckRequest, ADiscardThatWasNotOfferedIsNotSupported) {
  EXPECT_EQ(check_request(discard(0, 8), kThickDisk), BlkifStatus::not_supported);
}

// "ignored if discard-secure=0" (io/blkif.h, BLKIF_DISCARD_SECURE).
TEST(CheckRequest, ASecureDiscardIsAnOrdinaryOneWhereItIsNotOffered) {
  constexpr RequestLimits kErasable{
      .sectors = 1000, .read_only = false, .discards = true, .secure_discards = true};
  Request request = discard(0, 8);
  EXPECT_FALSE(is_secure(request, kErasable));
  request.secure = true;
  EXPECT_TRUE(is_secure(request, kErasable));
  EXPECT_FALSE(is_secure(request, kDisk));
  EXPECT_EQ(check_request(request, kDisk), std::nullopt);
}

TEST(CheckRequest, WhatWeDoNotSpeakIsNotSupported) {
  EXPECT_EQ(check_request(page_at(0, static_cast<BlkifOp>(200)), kDisk),
            BlkifStatus::not_supported);
}

TEST(CheckRequest, IndirectHoldsReadsAndWritesOnly) {
  Request request = page_at(0, BlkifOp::indirect);
  request.indirect = true;
  EXPECT_EQ(check_request(request, kDisk), BlkifStatus::not_supported);
  for (const uint8_t alone : {sim::kGuestFlush, sim::kGuestBarrier, sim::kGuestDiscard}) {
    request.operation = alone;
    EXPECT_EQ(check_request(request, kDisk), BlkifStatus::not_supported);
  }
}

}  // namespace
}  // namespace tapring
