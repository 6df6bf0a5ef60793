// SPDX-License-Identifier: MIT
#include "daemon/datapath/negotiation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace tapring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// The frontend's directory, and what the backend had offered.
class Negotiation : public testing::Test {
 protected:
  std::expected<RingSetup, std::string> result() const {
    const auto read = [this](const std::string& key) -> std::optional<std::string> {
      const auto found = keys.find(key);
      return found == keys.end() ? std::nullopt : std::optional(found->second);
    };
    return negotiate(read, offer);
  }

  void expect_refusal(const std::string& reason) const {
    const auto setup = result();
    ASSERT_FALSE(setup.has_value());
    EXPECT_THAT(setup.error(), HasSubstr(reason));
  }

  std::map<std::string, std::string> keys{
      {"ring-ref", "8"}, {"event-channel", "28"}, {"protocol", "x86_64-abi"}};
  RingOffer offer{4, 4};
};

TEST_F(Negotiation, OnePageHasAnUnnumberedReference) {
  const auto setup = result();
  ASSERT_TRUE(setup.has_value()) << setup.error();
  EXPECT_EQ(setup->abi, Abi::x86_64);
  ASSERT_EQ(setup->queues.size(), 1U);
  EXPECT_THAT(setup->queues[0].ring_refs, ElementsAre(8));
  EXPECT_EQ(setup->queues[0].event_channel, 28U);
}

TEST_F(Negotiation, OnePageMayHaveANumberedReference) {
  keys = {{"ring-ref0", "9"}, {"ring-page-order", "0"}, {"event-channel", "3"}};
  const auto setup = result();
  ASSERT_TRUE(setup.has_value()) << setup.error();
  EXPECT_THAT(setup->queues[0].ring_refs, ElementsAre(9));
}

TEST_F(Negotiation, SeveralPagesAreNumbered) {
  keys.erase("ring-ref");
  keys["ring-page-order"] = "1";
  keys["ring-ref0"] = "9";
  keys["ring-ref1"] = "7";
  const auto setup = result();
  ASSERT_TRUE(setup.has_value()) << setup.error();
  EXPECT_THAT(setup->queues[0].ring_refs, ElementsAre(9, 7));
}

TEST_F(Negotiation, SeveralQueuesHaveDirectories) {
  keys = {{"multi-queue-num-queues", "2"},
          {"queue-0/ring-ref", "8"},
          {"queue-0/event-channel", "1"},
          {"queue-1/ring-ref", "9"},
          {"queue-1/event-channel", "2"}};
  const auto setup = result();
  ASSERT_TRUE(setup.has_value()) << setup.error();
  ASSERT_EQ(setup->queues.size(), 2U);
  EXPECT_THAT(setup->queues[1].ring_refs, ElementsAre(9));
  EXPECT_EQ(setup->queues[1].event_channel, 2U);
}

TEST_F(Negotiation, SeveralQueuesIgnoreTheKeysOfAnEarlierKernel) {
  keys["multi-queue-num-queues"] = "2";
  keys["queue-0/ring-ref"] = "18";
  keys["queue-0/event-channel"] = "1";
  keys["queue-1/ring-ref"] = "19";
  keys["queue-1/event-channel"] = "2";
  const auto setup = result();
  ASSERT_TRUE(setup.has_value()) << setup.error();
  EXPECT_THAT(setup->queues[0].ring_refs, ElementsAre(18));
}

TEST_F(Negotiation, MissingProtocolIsTheNativeOne) {
  keys.erase("protocol");
  EXPECT_EQ(result()->abi, Abi::x86_64);
}

TEST_F(Negotiation, AllThreeProtocolsAreKnown) {
  keys["protocol"] = "x86_32-abi";
  EXPECT_EQ(result()->abi, Abi::x86_32);
  keys["protocol"] = "arm-abi";
  EXPECT_EQ(result()->abi, Abi::x86_64);
}

TEST_F(Negotiation, UnknownProtocolIsRefused) {
  keys["protocol"] = "vax-abi";
  expect_refusal("'vax-abi'");
}

TEST_F(Negotiation, GarbageIsRefusedByName) {
  keys["ring-ref"] = "eight";
  expect_refusal("ring-ref is 'eight'");
  keys["ring-ref"] = "99999999999";
  expect_refusal("ring-ref is '99999999999'");
  keys["ring-ref"] = "";
  expect_refusal("ring-ref is ''");
  keys["ring-ref"] = "-1";
  expect_refusal("ring-ref is '-1'");
}

TEST_F(Negotiation, MissingReferenceIsRefusedByName) {
  keys.erase("ring-ref");
  expect_refusal("ring-ref0");
}

TEST_F(Negotiation, MoreQueuesThanOfferedAreRefused) {
  keys["multi-queue-num-queues"] = "5";
  expect_refusal("multi-queue-num-queues is 5, but 1 to 4");
  keys["multi-queue-num-queues"] = "0";
  expect_refusal("multi-queue-num-queues is 0");
}

TEST_F(Negotiation, MorePagesThanOfferedAreRefused) {
  keys["ring-page-order"] = "5";
  expect_refusal("ring-page-order is 5, but 0 to 4");
}

}  // namespace
}  // namespace tapring
