// SPDX-License-Identifier: MIT
// Requests whose fields are out of range, one field a time: each is answered, once, with an error,
// and the disk goes on.
#include <cstring>

#include "tests/sim/hostile_test.h"

namespace tapring::sim {
namespace {

class HostileRequest : public HostileTest {
 protected:
  HostileRequest() : frontend_(connect_hostile()) {}

  ~HostileRequest() override {
    expect_served(frontend_);
    EXPECT_THAT(frontend_.violations(), testing::IsEmpty());
    EXPECT_EQ(log_.count_with("1/xvda"), lines_);
  }

  /// One that would be answered okay.
  FrontRequest good(uint8_t operation = kGuestRead) {
    FrontRequest request{.operation = operation, .segment_count = 1, .sector = 8};
    request.segments[0] = {.gref = page_, .first_sect = 0, .last_sect = 7, .pad = 0};
    return request;
  }

  FrontRequest good_indirect(uint8_t inner_operation = kGuestRead) {
    FrontRequest request{.operation = kGuestIndirect, .inner_operation = inner_operation,
                         .segment_count = 1, .sector = 8};
    request.indirect_refs[0] =
        list_page({.gref = page_, .first_sect = 0, .last_sect = 7, .pad = 0});
    return request;
  }

  GrantRef list_page(const GuestSegment& segment) {
    const Frame frame = hostile_domain().allocate(1);
    std::memcpy(hostile_domain().memory(frame, 1).data(), &segment, sizeof segment);
    return hostile_domain().grant(0, frame, Access::read_only);
  }

  /// The answer to a good request in which `change` was made.
  std::optional<int16_t> answer_with(const std::function<void(FrontRequest&)>& change,
                                     uint8_t operation = kGuestRead) {
    FrontRequest request = good(operation);
    change(request);
    return answer_to(frontend_, request);
  }

  SimFrontend& frontend_;
  std::size_t lines_ = log_.count_with("1/xvda");
  GrantRef page_ = granted_page();
};

INSTANTIATE_TEST_SUITE_P(Seeds, HostileRequest, testing::ValuesIn(seeds(2)));

TEST_P(HostileRequest, IsOkayWithoutAnythingStrange) {
  EXPECT_EQ(answer_to(frontend_, good()), kGuestOkay);
  EXPECT_EQ(answer_to(frontend_, good_indirect()), kGuestOkay);
}

TEST_P(HostileRequest, OfAnUnknownOperationIsNotSupported) {
  for (unsigned operation = 0; operation < 256; ++operation) {
    if (operation <= kGuestIndirect && operation != 4) continue;
    FrontRequest request = good(static_cast<uint8_t>(operation));
    EXPECT_EQ(answer_to(frontend_, request), kGuestNotSupported) << operation;
  }
}

TEST_P(HostileRequest, OfAnUnknownOperationInsideAnIndirectOneIsNotSupported) {
  for (unsigned operation = kGuestBarrier; operation < 256; ++operation) {
    FrontRequest request = good_indirect(static_cast<uint8_t>(operation));
    EXPECT_EQ(answer_to(frontend_, request), kGuestNotSupported) << operation;
  }
}

TEST_P(HostileRequest, WithAnImpossibleNumberOfSegmentsFails) {
  for (const uint8_t operation : {kGuestRead, kGuestWrite}) {
    for (const int count : {0, 12, 13, 128, 255}) {
      const auto change = [count](FrontRequest& request) {
        request.segment_count = static_cast<uint16_t>(count);
      };
      EXPECT_EQ(answer_with(change, operation), kGuestError) << count;
    }
  }
}

TEST_P(HostileRequest, WithMoreIndirectSegmentsThanOfferedFails) {
  for (const int count : {0, 257, 511, 512, 513, 4096, 4097, 65535}) {
    FrontRequest request = good_indirect();
    request.segment_count = static_cast<uint16_t>(count);
    EXPECT_EQ(answer_to(frontend_, request), kGuestError) << count;
  }
}

TEST_P(HostileRequest, WhoseSegmentLeavesItsPageFails) {
  for (const auto& [first, last] :
       {std::pair{0, 8}, {0, 255}, {7, 6}, {8, 8}, {255, 255}, {1, 0}}) {
    const GuestSegment segment{.gref = page_, .first_sect = static_cast<uint8_t>(first),
                               .last_sect = static_cast<uint8_t>(last), .pad = 0};
    EXPECT_EQ(answer_with([&](FrontRequest& request) { request.segments[0] = segment; }),
              kGuestError);
    FrontRequest indirect = good_indirect(kGuestWrite);
    indirect.indirect_refs[0] = list_page(segment);
    EXPECT_EQ(answer_to(frontend_, indirect), kGuestError);
  }
}

TEST_P(HostileRequest, BeyondTheEndOfTheDiskFailsAndTouchesNothing) {
  for (const uint8_t operation : {kGuestRead, kGuestWrite, kGuestDiscard, kGuestBarrier}) {
    for (const uint64_t sector :
         {kSectors - 7, kSectors, kSectors + 1, uint64_t{1} << 32U, uint64_t{1} << 55U,
          uint64_t{1} << 63U, UINT64_MAX - 7, UINT64_MAX}) {
      const auto change = [sector](FrontRequest& request) {
        request.sector = sector;
        request.discard_sectors = 8;
      };
      EXPECT_EQ(answer_with(change, operation), kGuestError) << sector;
    }
  }
  EXPECT_EQ(bytes_of_hostile_image(), std::string(kImageBytes, '\0'));
}

TEST_P(HostileRequest, ThatDiscardsMoreThanThereIsFails) {
  for (const uint64_t count : {kSectors, uint64_t{1} << 55U, UINT64_MAX - 7, UINT64_MAX}) {
    const auto change = [count](FrontRequest& request) { request.discard_sectors = count; };
    EXPECT_EQ(answer_with(change, kGuestDiscard), kGuestError) << count;
  }
}

TEST_P(HostileRequest, WithAGrantThatIsNoneFails) {
  const GrantRef revoked = granted_page();
  hostile_domain().revoke(revoked);
  const GrantRef of_somebody_else = granted_page(Access::read_write, kNeighbour);
  for (const GrantRef ref : {GrantRef{0}, revoked, of_somebody_else, UINT32_MAX}) {
    const auto change = [ref](FrontRequest& request) { request.segments[0].gref = ref; };
    EXPECT_EQ(answer_with(change, kGuestRead), kGuestError) << ref;
    EXPECT_EQ(answer_with(change, kGuestWrite), kGuestError) << ref;
    FrontRequest indirect = good_indirect();
    indirect.indirect_refs[0] = ref;
    EXPECT_EQ(answer_to(frontend_, indirect), kGuestError) << ref;
  }
}

TEST_P(HostileRequest, ThatReadsIntoAReadOnlyPageFailsAndLeavesThePage) {
  const Frame frame = hostile_domain().allocate(1);
  const GrantRef ref = hostile_domain().grant(0, frame, Access::read_only);
  std::ranges::fill(hostile_domain().memory(frame, 1), std::byte{0xA5});
  EXPECT_EQ(answer_with([ref](FrontRequest& request) { request.segments[0].gref = ref; }),
            kGuestError);
  EXPECT_THAT(hostile_domain().memory(frame, 1), testing::Each(std::byte{0xA5}));
}

TEST_P(HostileRequest, MayHaveAnyHandle) {
  // Nobody looks at it: a frontend may have got it wrong.
  const auto change = [](FrontRequest& request) { request.handle = 0xFFFF; };
  EXPECT_EQ(answer_with(change), kGuestOkay);
}

TEST_P(HostileRequest, MayUseOnePageForEverySegment) {
  const auto change = [](FrontRequest& request) {
    request.segments.fill(request.segments[0]);
    request.segment_count = kGuestSegments;
  };
  EXPECT_EQ(answer_with(change, kGuestRead), kGuestOkay);
  EXPECT_EQ(answer_with(change, kGuestWrite), kGuestOkay);
}

TEST_P(HostileRequest, MayUseARingPageAsItsData) {
  const GrantRef ring = frontend_.queue(0).ring_refs()[0];
  FrontRequest request = good(kGuestWrite);
  request.segments[0].gref = ring;
  EXPECT_EQ(answer_to(frontend_, request), kGuestOkay);
  // Zeros again, which is what the disk's next user expects there.
  EXPECT_EQ(answer_to(frontend_, good(kGuestWrite)), kGuestOkay);
}

}  // namespace
}  // namespace tapring::sim
