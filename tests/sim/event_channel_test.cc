// SPDX-License-Identifier: MIT
#include "tests/sim/event_channel.h"

#include <gtest/gtest.h>

namespace tapring::sim {
namespace {

constexpr DomainId kGuest = 5;

class CountingSink final : public EventSink {
 public:
  void event() override { ++events; }
  int events = 0;
};

/// A guest that offers a port, and us.
class SimEventChannelTest : public testing::Test {
 protected:
  SimEventChannelTest() { machine_.create_domain(kGuest); }

  EventEnd offer(DomainId to = 0) {
    return machine_.events().allocate_unbound(kGuest, to, [this] { ++guest_events_; });
  }

  void guest_sends(EventEnd from) { machine_.events().send(from); }

  SimWorld world_{1};
  SimStorage storage_{world_};
  SimLoop loop_{world_, storage_};
  SimMachine machine_{world_};
  SimEventChannel channels_{loop_, machine_, 0};
  CountingSink sink_;
  int guest_events_ = 0;
};

TEST_F(SimEventChannelTest, BindingRaisesOneEvent) {
  ASSERT_TRUE(channels_.bind(kGuest, offer().port, sink_));
  world_.run_until_idle();
  EXPECT_EQ(sink_.events, 1);
}

TEST_F(SimEventChannelTest, OnlyAPortOfferedToUsIsBound) {
  EXPECT_EQ(channels_.bind(kGuest, 77, sink_).error().value(), EINVAL);
  EXPECT_EQ(channels_.bind(kGuest, offer(9).port, sink_).error().value(), EINVAL);
  EXPECT_EQ(channels_.bind(99, 1, sink_).error().value(), ESRCH);
  const EventEnd taken = offer();
  ASSERT_TRUE(channels_.bind(kGuest, taken.port, sink_));
  EXPECT_EQ(channels_.bind(kGuest, taken.port, sink_).error().value(), EINVAL);
}

TEST_F(SimEventChannelTest, NoEventUntilUnmasked) {
  const EventEnd guest = offer();
  const auto port = channels_.bind(kGuest, guest.port, sink_);
  world_.run_until_idle();
  for (int i = 0; i < 5; ++i) guest_sends(guest);
  world_.run_until_idle();
  EXPECT_EQ(sink_.events, 1);
  channels_.unmask(*port);
  world_.run_until_idle();
  EXPECT_EQ(sink_.events, 2);
}

TEST_F(SimEventChannelTest, TheGuestIsNotified) {
  const auto port = channels_.bind(kGuest, offer().port, sink_);
  channels_.notify(*port);
  channels_.notify(*port);
  world_.run_until_idle();
  EXPECT_EQ(guest_events_, 1);
}

TEST_F(SimEventChannelTest, NothingIsDeliveredAfterUnbind) {
  const EventEnd guest = offer();
  const auto port = channels_.bind(kGuest, guest.port, sink_);
  world_.step();  // the event has arrived and waits for a turn of the loop
  channels_.unbind(*port);
  guest_sends(guest);
  world_.run_until_idle();
  EXPECT_EQ(sink_.events, 0);
}

TEST_F(SimEventChannelTest, AnUnboundPortCanBeBoundAgain) {
  const EventEnd guest = offer();
  const auto port = channels_.bind(kGuest, guest.port, sink_);
  channels_.unbind(*port);
  EXPECT_FALSE(machine_.events().is_bound(guest));
  EXPECT_TRUE(channels_.bind(kGuest, guest.port, sink_));
}

TEST_F(SimEventChannelTest, WhatIsSentWhileNobodyIsBoundIsLost) {
  const EventEnd guest = offer();
  const auto port = channels_.bind(kGuest, guest.port, sink_);
  world_.run_until_idle();
  channels_.unbind(*port);
  guest_sends(guest);
  ASSERT_TRUE(channels_.bind(kGuest, guest.port, sink_));
  world_.run_until_idle();
  EXPECT_EQ(sink_.events, 2);  // one of each binding
}

TEST_F(SimEventChannelTest, APortCanBeBoundAgainAfterItsOwnerDied) {
  const EventEnd guest = offer();
  {
    SimEventChannel dead(loop_, machine_, 0);
    ASSERT_TRUE(dead.bind(kGuest, guest.port, sink_));
    world_.run_until_idle();
  }
  EXPECT_FALSE(machine_.events().is_bound(guest));
  EXPECT_TRUE(channels_.bind(kGuest, guest.port, sink_));
  world_.run_until_idle();
  EXPECT_EQ(sink_.events, 2);
}

TEST_F(SimEventChannelTest, ADeadDomainHasNoPorts) {
  const EventEnd guest = offer();
  const auto port = channels_.bind(kGuest, guest.port, sink_);
  machine_.destroy_domain(kGuest);
  channels_.notify(*port);
  channels_.unbind(*port);
  EXPECT_EQ(channels_.bound(), 0U);
  EXPECT_EQ(machine_.events().open(0), 0U);
}

}  // namespace
}  // namespace tapring::sim
