// SPDX-License-Identifier: MIT
// One guest, several kernels: what a bootloader, a kexec, a suspend or a migration leaves in
// xenstore and in memory for the next one.
#include <chrono>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

using sim::FrontendOptions;
using sim::SimFrontend;
using sim::SimLoad;

const FrontendOptions kBootloader{.protocol = "x86_32-abi", .abi = Abi::x86_32,
                                      .indirect_segments = 0};
const FrontendOptions kLinux{.ring_order = 2, .queues = 4};
const FrontendOptions kSmallLinux{.ring_order = 1, .queues = 2, .indirect_segments = 32};
const FrontendOptions kOldLinux{.indirect_segments = 0};

class Reconnect : public HostTest {
 protected:
  Reconnect() : disk_(line(1, "a.img")) {}

  /// The kernel closes its disk, and `next` opens it.
  void close_and_become(SimFrontend& frontend, const FrontendOptions& next) {
    frontend.become(next);
    frontend.close();
    EXPECT_TRUE(host_.run_until([&] { return frontend.closed() && frontend.released(); }));
    EXPECT_EQ(host_.held(), "");
    frontend.reload();
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
    EXPECT_EQ(frontend.queues(), next.queues);
  }

  void kexec(SimFrontend& frontend, const FrontendOptions& next) {
    frontend.kexec(next);
    EXPECT_FALSE(frontend.connected());
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
    EXPECT_EQ(frontend.queues(), next.queues);
    EXPECT_EQ(host_.machine().mappings_of(1), next.queues << next.ring_order);
  }

  std::string key(const std::string& name) {
    return host_.store().read(frontend_directory(disk_.name) + "/" + name).value_or("");
  }

  DiskLine disk_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, Reconnect, testing::ValuesIn(sim::seeds(1)));

TEST_P(Reconnect, OfLinuxAfterABootloaderOfAnotherAbi) {
  SimFrontend& frontend = attach_and_connect(disk_, kBootloader);
  expect_served(frontend, {.requests = 30});
  const std::string stale = key("ring-ref");
  close_and_become(frontend, kLinux);
  EXPECT_EQ(key("ring-ref"), stale);
  expect_served(frontend, {.requests = 100});
  expect_detached(disk_);
}

TEST_P(Reconnect, WithFewerQueuesAndPages) {
  SimFrontend& frontend = attach_and_connect(disk_, kLinux);
  const std::string stale = key("queue-3/ring-ref3");
  close_and_become(frontend, kSmallLinux);
  expect_served(frontend, {.requests = 100});
  close_and_become(frontend, kOldLinux);
  EXPECT_EQ(key("queue-3/ring-ref3"), stale);
  expect_served(frontend, {.requests = 100});
}

TEST_P(Reconnect, AfterAKexecInMidIo) {
  SimFrontend& frontend = attach_and_connect(disk_, kLinux);
  SimLoad load(host_.world(), frontend, {.requests = 10'000, .depth = 48});
  for (const FrontendOptions& next : {kSmallLinux, kBootloader, kOldLinux, kLinux}) {
    host_.world().run_for(10ms);
    kexec(frontend, next);
    expect_served(frontend, {.requests = 50});
  }
  load.stop();
  expect_detached(disk_);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Reconnect, AfterAKexecWhileTheDaemonRestarts) {
  SimFrontend& frontend = attach_and_connect(disk_, kLinux);
  SimLoad load(host_.world(), frontend, {.requests = 10'000});
  host_.world().run_for(5ms);
  frontend.kexec(kSmallLinux);
  host_.restart();
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
  expect_served(frontend, {.requests = 50});
  load.stop();
}

TEST_P(Reconnect, OfAGuestThatResumesElsewhere) {
  // Saved and restored, or migrated: another domain, and what was unanswered is asked again.
  for (const char* kind : {"vbd", "qdisk"}) {
    disk_.kind = kind;
    disk_.script = disk_.kind == "qdisk" ? "" : disk_.script;
    SimFrontend& source = attach_and_connect(disk_, kLinux);
    SimLoad load(host_.world(), source, {.requests = 1000, .depth = 64});
    host_.world().run_for(10ms);
    source.die();
    host_.toolstack().destroy(disk_.name.domain);
    EXPECT_TRUE(reaches(disk_, Progress::gone));
    host_.model(disk_.params).settle();
    disk_.name.domain++;
    FrontendOptions resumed = kLinux;
    resumed.impatient = disk_.kind == "qdisk";
    SimFrontend& target = attach_and_connect(disk_, resumed);
    expect_served(target, {.requests = 200});
    expect_detached(disk_);
    load.stop();
    disk_.name.domain++;
  }
}

TEST_P(Reconnect, IsNotNeededAfterACancelledSuspend) {
  SimFrontend& frontend = attach_and_connect(disk_, kLinux);
  SimLoad load(host_.world(), frontend, {.requests = 300, .depth = 64});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  const uint64_t before = load.answered();
  frontend.pause();
  host_.world().run_for(1s);
  EXPECT_EQ(load.answered(), before);
  frontend.resume();
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_EQ(host_.backend_state(disk_), 4U);
}

TEST_P(Reconnect, OfAGuestThatPausedThroughARestart) {
  SimFrontend& frontend = attach_and_connect(disk_, kLinux);
  SimLoad load(host_.world(), frontend, {.requests = 300, .depth = 64});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  frontend.pause();
  host_.restart();
  host_.world().run_for(1s);
  frontend.resume();
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
}

}  // namespace
}  // namespace tapring
