// SPDX-License-Identifier: MIT
// Rings, grants and event channels in the hands of a hostile guest.
#include <deque>
#include <functional>

#include "tests/sim/hostile_test.h"

namespace tapring::sim {
namespace {

using namespace std::chrono_literals;

class HostileRing : public HostileTest {
 protected:
  bool stopped() {
    return host_.run_until(
        [&] {
          return host_.report(hostile_line_.name).reason.find("ring indices") != std::string::npos;
        },
        1s);
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, HostileRing, testing::ValuesIn(seeds(2)));

TEST_P(HostileRing, WhoseProducerJumpsIsStoppedWithOneLine) {
  for (const uint32_t jump : {33U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU}) {
    SimFrontend& frontend = connect_hostile();
    expect_served(frontend);
    const std::size_t lines = log_.count_with("ring indices");
    const uint32_t answered = frontend.queue(0).ring().answered();
    frontend.queue(0).ring().set_producer(answered + jump);
    frontend.queue(0).notify();
    EXPECT_TRUE(stopped()) << jump;
    for (int i = 0; i < 100; ++i) frontend.queue(0).notify();
    host_.world().run_for(10ms);
    EXPECT_EQ(log_.count_with("ring indices") - lines, 1U);
    take_hostile_away();
  }
}

TEST_P(HostileRing, ThatIsStoppedStopsNoOtherRingOfTheDisk) {
  SimFrontend& frontend = connect_hostile({.queues = 2});
  frontend.queue(0).ring().set_producer(0x80000000U);
  frontend.queue(0).notify();
  EXPECT_TRUE(stopped());
  std::optional<int16_t> status;
  FrontRequest request{.operation = kGuestFlush};
  frontend.queue(1).send_raw(request, [&](const GuestResponse& response) {
    status = response.status;
  });
  EXPECT_TRUE(host_.run_until([&] { return status.has_value(); }, 1s));
  EXPECT_EQ(status, kGuestOkay);
}

TEST_P(HostileRing, ThatIsStoppedIsServedAgainAfterAReconnect) {
  SimFrontend& frontend = connect_hostile();
  frontend.queue(0).ring().set_producer(0x80000000U);
  frontend.queue(0).notify();
  EXPECT_TRUE(stopped());
  frontend.close();
  frontend.reload();
  EXPECT_TRUE(host_.run_until([&] { return frontend.released(); }));
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
  expect_served(frontend);
}

TEST_P(HostileRing, ThatClaimsFullRingsForEverHoldsNobodyUp) {
  SimFrontend& frontend = connect_hostile();
  FrontQueue& queue = frontend.queue(0);
  // Always a ringful more than was answered, of requests that are refused at once.
  bool going = true;
  const std::function<void()> refill = [&] {
    if (!going) return;
    queue.ring().set_producer(queue.ring().answered_by_backend() + queue.ring().size());
    queue.notify();
    host_.world().after(10us, refill);
  };
  refill();
  expect_neighbour_served();
  going = false;
  host_.world().run_for(1ms);
}

TEST_P(HostileRing, ScribbledOverHurtsNobody) {
  std::deque<SimLoad> loads;
  for (int life = 0; life < 10; ++life) {
    SimFrontend& frontend = connect_hostile({.ring_order = 1, .queues = 2});
    loads.emplace_back(host_.world(), frontend, LoadOptions{.requests = 100});
    for (int i = 0; i < 20; ++i) {
      host_.world().run_for(200us);
      misbehaviour_.scribble_on_ring(frontend);
      frontend.queue(0).notify();
    }
    take_hostile_away();
  }
}

TEST_P(HostileRing, WhoseGrantsAreRevokedInMidIoFailsItsOwnRequestsOnly) {
  SimFrontend& frontend = connect_hostile();
  SimLoad load(host_.world(), frontend, {.requests = 500, .depth = 32});
  while (!load.done()) {
    misbehaviour_.revoke_grants(frontend);
    if (!host_.run_until([&] { return load.done(); }, 100us)) continue;
  }
  EXPECT_GT(load.failed(), 0U);
  expect_neighbour_served();
}

TEST_P(HostileRing, SharedByTwoQueuesHurtsNobodyElse) {
  SimFrontend& frontend = host_.attach(hostile_line_, {.queues = 2});
  EXPECT_TRUE(host_.run_until([&] { return frontend.queues() == 2; }));
  host_.store().write({{frontend.directory() + "/queue-1/ring-ref",
                        std::to_string(frontend.queue(0).ring_refs()[0])}});
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
  SimLoad load(host_.world(), frontend, {.requests = 200});
  expect_neighbour_served();
  host_.world().run_for(1s);
  // Nobody serves the page that the second queue really has.
  EXPECT_FALSE(load.done());
}

TEST_P(HostileRing, SharedWithItsEventChannelIsRefused) {
  SimFrontend& frontend = host_.attach(hostile_line_, {.queues = 2});
  EXPECT_TRUE(host_.run_until([&] { return frontend.queues() == 2; }));
  misbehaviour_.share_ring_page(frontend);
  host_.store().write({{frontend.directory() + "/queue-1/event-channel",
                        std::to_string(frontend.queue(0).port())},
                       {frontend.directory() + "/queue-0/event-channel",
                        std::to_string(frontend.queue(0).port())}});
  EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(hostile_line_) == 6; }));
  EXPECT_EQ(host_.machine().mappings_of(kHostile), 0U);
}

TEST_P(HostileRing, TenThousandEventsForNothingHoldNobodyUp) {
  SimFrontend& frontend = connect_hostile();
  for (int i = 0; i < 10'000; ++i) {
    host_.world().after({0us, 10ms}, [&frontend] { frontend.queue(0).notify(); });
  }
  expect_neighbour_served();
  host_.world().run_for(20ms);
  // Masked until its work was taken, an event at most is waiting at any time.
  EXPECT_LT(host_.report(hostile_line_.name).counters.wakeups, 5'000U);
  expect_served(frontend);
}

TEST_P(HostileRing, OfAPageGrantedReadOnlyIsRefused) {
  SimFrontend& frontend = host_.attach(hostile_line_);
  EXPECT_TRUE(host_.run_until([&] { return frontend.queues() == 1; }));
  const GrantRef ref = granted_page(Access::read_only);
  host_.store().write({{frontend.directory() + "/ring-ref", std::to_string(ref)}});
  EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(hostile_line_) == 6; }));
  EXPECT_EQ(host_.machine().mappings_of(kHostile), 0U);
}

}  // namespace
}  // namespace tapring::sim
