// SPDX-License-Identifier: MIT
// What a hostile guest can write into its directory of xenstore, and when.
#include "formats/printable.h"
#include "tests/sim/hostile_test.h"

namespace tapring::sim {
namespace {

using namespace std::chrono_literals;

class HostileStore : public HostileTest {
 protected:
  void write(const std::string& key, const std::string& value) {
    EXPECT_TRUE(misbehaviour_.may_write(kHostile,
                                        frontend_directory(hostile_line_.name) + "/" + key, value));
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, HostileStore, testing::ValuesIn(seeds(1)));

TEST_P(HostileStore, StatesInEveryOrderOfTwoEndInOrder) {
  for (int first = 0; first <= 8; ++first) {
    for (int second = 0; second <= 8; ++second) {
      SCOPED_TRACE(std::to_string(first) + ' ' + std::to_string(second));
      connect_hostile();
      write("state", std::to_string(first));
      host_.world().run_for(host_.world().pick({0us, 3ms}));
      write("state", std::to_string(second));
      host_.world().run_for(5ms);
      take_hostile_away();
    }
  }
}

TEST_P(HostileStore, AStateThatFlapsFloodsNoLog) {
  SimFrontend& frontend = connect_hostile();
  for (int i = 0; i < 400; ++i) {
    if (frontend.connected()) frontend.close();
    frontend.reload();
    host_.world().run_for(5ms);
  }
  EXPECT_GT(host_.report(hostile_line_.name).state, "");
  EXPECT_LT(log_.count(), 30U);
}

TEST_P(HostileStore, RingsThatBreakAfterEachReconnectFloodNoLog) {
  SimFrontend& frontend = connect_hostile();
  for (int i = 0; i < 200; ++i) {
    if (frontend.connected()) {
      frontend.queue(0).ring().set_producer(0x80000000U);
      frontend.queue(0).notify();
      host_.world().run_for(1ms);
      frontend.close();
    }
    frontend.reload();
    host_.world().run_for(5ms);
  }
  EXPECT_LT(log_.count(), 30U);
}

TEST_P(HostileStore, RefusedKeysAfterEachReconnectFloodNoLog) {
  SimFrontend& frontend = host_.attach(hostile_line_, {.protocol = "none of them"});
  EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(hostile_line_) == 6; }));
  for (int i = 0; i < 200; ++i) {
    frontend.close();
    frontend.reload();
    host_.world().run_for(5ms);
  }
  EXPECT_LT(log_.count(), 30U);
}

TEST_P(HostileStore, KeysRewrittenAfterConnectingMeanNothing) {
  SimFrontend& frontend = connect_hostile();
  for (const char* key : {"ring-ref", "event-channel", "protocol", "multi-queue-num-queues",
                          "ring-page-order", "backend", "backend-id", "feature-persistent"}) {
    write(key, "77");
    host_.world().run_for(2ms);
  }
  expect_served(frontend);
}

TEST_P(HostileStore, ABackendKeyThatPointsAtTheNeighbourMeansNothing) {
  SimFrontend& frontend = connect_hostile();
  write("backend", backend_directory(neighbour_line_));
  write("backend-id", "2");
  write("state", "5");
  host_.world().run_for(5ms);
  EXPECT_EQ(host_.backend_state(neighbour_line_), 4U);
  EXPECT_FALSE(frontend.directory().empty());
}

TEST_P(HostileStore, HundredsOfQueuesAreRefused) {
  for (const unsigned queues : {0U, 5U, 8U, 300U, 65'536U, 4'294'967'295U}) {
    SimFrontend& frontend = host_.attach(hostile_line_);
    EXPECT_TRUE(host_.run_until([&] { return frontend.queues() == 1; }));
    misbehaviour_.announce_queues(frontend, queues);
    EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(hostile_line_) == 6; }));
    EXPECT_EQ(host_.machine().mappings_of(kHostile), 0U);
    take_hostile_away();
  }
}

TEST_P(HostileStore, ValuesThatAreNoNumbersAreRefusedInOneShortLine) {
  const std::vector<std::string> values{"",
                                        "-1",
                                        "0x10",
                                        "12 ",
                                        " 12",
                                        "1e3",
                                        "99999999999999",
                                        "abc",
                                        "\n\n",
                                        std::string(1900, '9'),
                                        std::string(1900, 'x'),
                                        std::string(100, '\0'),
                                        "\xff\xfe",
                                        "\xc2\x9b" "31m \xe2\x80\xae",
                                        std::string(63, 'x') + "\xc3\xbc\xc3\xbc"};
  for (const char* key :
       {"ring-ref", "event-channel", "multi-queue-num-queues", "ring-page-order", "protocol"}) {
    for (const std::string& value : values) {
      SimFrontend& frontend = host_.attach(hostile_line_);
      EXPECT_TRUE(host_.run_until([&] { return frontend.queues() == 1; }));
      write(key, value);
      EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(hostile_line_) == 6; }, 5s))
          << key << ' ' << value.substr(0, 20);
      const std::string reason = host_.report(hostile_line_.name).reason;
      EXPECT_LT(reason.size(), 300U);
      EXPECT_EQ(printable(reason), reason);
      const std::string verdict = backend_directory(hostile_line_) + "/tapring-status";
      EXPECT_EQ(host_.store().read(verdict), printable("refused: " + reason));
      take_hostile_away();
    }
  }
}

TEST_P(HostileStore, AStateThatIsNoNumberIsNoState) {
  for (const char* value : {"", "x", "-1", "9", "44", "4 ", "0x4", "4294967300"}) {
    connect_hostile();
    write("state", value);
    // As if the frontend's directory were gone: its disk is closed.
    EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(hostile_line_) == 6; }, 1s))
        << value;
    take_hostile_away();
  }
}

TEST_P(HostileStore, ItsBackendsDirectoryIsNotItsToWrite) {
  SimFrontend& frontend = connect_hostile();
  const std::string directory = backend_directory(hostile_line_);
  for (const char* key :
       {"state", "params", "mode", "online", "hotplug-status", "sectors", "new"}) {
    EXPECT_FALSE(misbehaviour_.may_write(kHostile, directory + "/" + key, "1")) << key;
    EXPECT_FALSE(misbehaviour_.may_remove(kHostile, directory + "/" + key)) << key;
  }
  EXPECT_FALSE(misbehaviour_.may_remove(kHostile, directory));
  expect_served(frontend);
}

TEST_P(HostileStore, ANeighboursDirectoriesAreNotItsToWrite) {
  connect_hostile();
  for (const std::string& directory :
       {frontend_directory(neighbour_line_.name), backend_directory(neighbour_line_)}) {
    for (const char* key : {"state", "ring-ref", "new"}) {
      EXPECT_FALSE(misbehaviour_.may_write(kHostile, directory + "/" + key, "5")) << key;
    }
    EXPECT_FALSE(misbehaviour_.may_remove(kHostile, directory));
  }
  EXPECT_EQ(host_.backend_state(neighbour_line_), 4U);
}

TEST_P(HostileStore, ADirectoryFilledBeforeItsDriverComesKeepsOutThatDriverOnly) {
  SimFrontend& frontend = host_.attach(hostile_line_, {.ring_order = 4, .queues = 4});
  EXPECT_GT(misbehaviour_.fill_directory(frontend), 100U);
  EXPECT_LE(host_.store().nodes_of(kHostile), StoreQuota::kNodes);
  host_.world().run_for(1s);
  EXPECT_FALSE(frontend.connected());
  expect_neighbour_served();
  take_hostile_away();
  EXPECT_EQ(host_.store().nodes_of(kHostile), 0U);
}

TEST_P(HostileStore, ADirectoryFilledLaterMeansNothing) {
  SimFrontend& frontend = connect_hostile();
  EXPECT_GT(misbehaviour_.fill_directory(frontend), 100U);
  expect_served(frontend);
}

TEST_P(HostileStore, MisdeedsOfChanceHurtNobody) {
  for (int life = 0; life < 7; ++life) {
    SimFrontend& frontend = host_.attach(hostile_line_, {.queues = 2});
    for (int i = 0; i < 10; ++i) {
      host_.world().run_for(host_.world().pick({0us, 200ms}));
      misbehaviour_.of(frontend, 3);
    }
    expect_neighbour_served();
    take_hostile_away();
  }
}

}  // namespace
}  // namespace tapring::sim
