// SPDX-License-Identifier: MIT
// Disks whose storage is full, or fails, and guests that wait for it.
#include <cerrno>
#include <chrono>

#include "tests/daemon/vbd/host_test.h"
#include "tests/formats/qemu.h"
#include "tests/sim/log_lines.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

using sim::FileOperation;
using sim::SimLoad;
using testing::HasSubstr;

class Pause : public HostTest {
 protected:
  static constexpr sim::LoadOptions kWrites{
      .requests = 200, .depth = 40, .writes = 1, .flushes = 0, .discards = 0};

  /// Operations of this kind end so, from now on; 0: as they should.
  void fail(const DiskLine& disk, FileOperation::Kind kind, int number) {
    host_.storage().behaviour(disk.params).fault = [kind, number](const FileOperation& operation) {
      return system_error_code(operation.kind == kind ? number : 0);
    };
  }
  void fill(const DiskLine& disk) { fail(disk, FileOperation::Kind::write, ENOSPC); }
  void make_room(const DiskLine& disk) { fail(disk, FileOperation::Kind::write, 0); }

  static VbdName name_of(const DiskLine& disk) {
    return {disk.kind, disk.name.domain, disk.name.device};
  }

  std::string state(const DiskLine& disk) { return host_.report(disk.name).state; }
  bool comes_to(const DiskLine& disk, const std::string& state,
                sim::Time limit = kToolstackPatience) {
    return host_.run_until([&] { return this->state(disk) == state; }, limit);
  }

  void expect_done(const SimLoad& load) {
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }, kToolstackPatience));
    EXPECT_EQ(load.failed(), 0U);
  }

  void set_policy(const DiskLine& disk, const PolicyWords& words) {
    EXPECT_EQ(host_.daemon().set_policy(name_of(disk), words), "");
  }

  DiskLine disk_ = line(1, "a.img");
};

INSTANTIATE_TEST_SUITE_P(Seeds, Pause, testing::ValuesIn(sim::seeds(2)));

TEST_P(Pause, AGuestWaitsForRoomAndGoesOn) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  SimLoad load(host_.world(), frontend, kWrites);
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  fill(disk_);
  EXPECT_TRUE(comes_to(disk_, "paused"));
  host_.world().run_for(60s);
  const DiskReport report = host_.report(disk_.name);
  EXPECT_EQ(report.state, "paused");
  EXPECT_TRUE(is_served(report));
  EXPECT_TRUE(holds_image(report));
  EXPECT_EQ(report.paused_for, "no space");
  EXPECT_GT(report.paused_since, 0);
  EXPECT_THAT(report.reason, HasSubstr("make room where the image is (df " + disk_.params + ")"));
  EXPECT_EQ(report.counters.held, report.counters.in_flight);
  EXPECT_GT(report.counters.held, 0U);
  EXPECT_FALSE(load.done());
  make_room(disk_);
  expect_done(load);
  EXPECT_TRUE(comes_to(disk_, "connected"));
  EXPECT_EQ(host_.report(disk_.name).counters.errors, 0U);
  EXPECT_EQ(host_.report(disk_.name).counters.held, 0U);
  expect_served(frontend);
}

TEST_P(Pause, APauseIsTwoLinesInTheLog) {
  const sim::LogLines log;
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  SimLoad load(host_.world(), frontend, kWrites);
  fill(disk_);
  EXPECT_TRUE(comes_to(disk_, "paused"));
  host_.world().run_for(60s);
  make_room(disk_);
  expect_done(load);
  host_.world().run_for(5s);
  EXPECT_EQ(log.count_with("1/xvda: paused: no space"), 1U);
  EXPECT_EQ(log.count_with("1/xvda: goes on"), 1U);
}

TEST_P(Pause, ItsEndIsToldOfADiskThatIsDetachedAtOnce) {
  const sim::LogLines log;
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  SimLoad load(host_.world(), frontend, kWrites);
  fill(disk_);
  EXPECT_TRUE(comes_to(disk_, "paused"));
  make_room(disk_);
  expect_done(load);
  host_.toolstack().detach(disk_.name);
  host_.world().run_for(5s);
  EXPECT_EQ(log.count_with("1/xvda: goes on"), 1U);
}

TEST_P(Pause, FullStorageIsProbedOnceASecondByEachWorker) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  fill(disk_);
  SimLoad load(host_.world(), frontend, kWrites);
  host_.world().run_for(2s);
  unsigned tries = 0;
  host_.storage().behaviour(disk_.params).fault = [&tries](const FileOperation&) {
    ++tries;
    return system_error_code(ENOSPC);
  };
  host_.world().run_for(20s);
  EXPECT_LE(tries, 20 * sim::Host::kWorkers);
  EXPECT_GE(tries, 15 * sim::Host::kWorkers);
  make_room(disk_);
  expect_done(load);
}

TEST_P(Pause, ReadsGoOn) {
  SimFrontend& frontend = attach_and_connect(disk_);
  fill(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 10, .depth = 10, .writes = 1, .discards = 0});
  EXPECT_TRUE(comes_to(disk_, "paused"));
  expect_served(frontend, {.requests = 50, .writes = 0, .flushes = 0, .discards = 0});
  make_room(disk_);
  expect_done(load);
}

// All of the worker's memory went to the one disk when it was alone.
TEST_P(Pause, OtherDisksOfTheWorkerGoOn) {
  sim::Host host(GetParam(), 0, 0, 1);
  const DiskLine full{.name = {.domain = 1}, .params = host.make_image("full", kImageBytes)};
  const DiskLine other{.name = {.domain = 2}, .params = host.make_image("other", kImageBytes)};
  SimFrontend& paused = host.attach(full, {.ring_order = 4});
  SimFrontend& neighbour = host.attach(other);
  EXPECT_TRUE(host.run_until([&] { return paused.connected() && neighbour.connected(); }));
  host.storage().behaviour(full.params).fault = [](const FileOperation&) {
    return system_error_code(ENOSPC);
  };
  for (int i = 0; i < 40; ++i) paused.write(0, static_cast<uint32_t>(paused.most_sectors()));
  EXPECT_TRUE(host.run_until([&] { return host.report(full.name).counters.held == 40; }));
  SimLoad load(host.world(), neighbour, {.requests = 300});
  EXPECT_TRUE(host.run_until([&] { return load.done(); }, 10s));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_LT(load.slowest(), 1s);
}

TEST_P(Pause, WhoWantsToBeToldIsTold) {
  SimFrontend& frontend = attach_and_connect(disk_);
  set_policy(disk_, {{"on_no_space", "report"}});
  fill(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 20, .writes = 1, .flushes = 0, .discards = 0});
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 20U);
  EXPECT_EQ(host_.report(disk_.name).counters.pauses, 0U);
}

TEST_P(Pause, ErrorsOfOtherKindsAreToldUnlessTheyAreToBeWaitedFor) {
  SimFrontend& frontend = attach_and_connect(disk_);
  fail(disk_, FileOperation::Kind::read, EIO);
  SimLoad told(host_.world(), frontend, {.requests = 20, .writes = 0, .flushes = 0, .discards = 0});
  EXPECT_TRUE(host_.run_until([&] { return told.done(); }));
  EXPECT_EQ(told.failed(), 20U);
  set_policy(disk_, {{"on_io_error", "pause"}});
  SimLoad waiting(host_.world(), frontend,
                  {.requests = 20, .writes = 0, .flushes = 0, .discards = 0});
  EXPECT_TRUE(comes_to(disk_, "paused"));
  EXPECT_EQ(host_.report(disk_.name).paused_for, "I/O error");
  fail(disk_, FileOperation::Kind::read, 0);
  EXPECT_TRUE(host_.run_until([&] { return waiting.done(); }, 30s));
  EXPECT_EQ(waiting.failed(), 0U);
}

TEST_P(Pause, ResumesOnCommand) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  EXPECT_EQ(host_.daemon().resume(name_of(disk_)), "it is not paused");
  set_policy(disk_, {{"on_io_error", "pause"}});
  fail(disk_, FileOperation::Kind::write, EIO);
  SimLoad load(host_.world(), frontend,
               {.requests = 30, .depth = 30, .writes = 1, .flushes = 0, .discards = 0});
  EXPECT_TRUE(comes_to(disk_, "paused"));
  host_.world().run_for(1s);
  EXPECT_EQ(host_.daemon().resume(name_of(disk_)), "");
  host_.world().run_for(100ms);
  EXPECT_EQ(state(disk_), "paused");
  make_room(disk_);
  EXPECT_EQ(host_.daemon().resume(name_of(disk_)), "");
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }, 500ms));
  EXPECT_EQ(load.failed(), 0U);
}

TEST_P(Pause, TheLimitOfAnAdministratorEndsTheWaiting) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  set_policy(disk_, {{"pause_limit_seconds", "20"}});
  fill(disk_);
  SimLoad load(host_.world(), frontend,
               {.requests = 8, .depth = 8, .writes = 1, .flushes = 0, .discards = 0});
  host_.world().run_for(19s);
  EXPECT_EQ(load.answered(), 0U);
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }, 4s));
  EXPECT_EQ(load.failed(), 8U);
  EXPECT_EQ(host_.report(disk_.name).counters.given_up, 8U);
  make_room(disk_);
  expect_served(frontend);
}

TEST_P(Pause, AChangeOfPolicyReachesThoseWhoWait) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  fill(disk_);
  SimLoad load(host_.world(), frontend,
               {.requests = 8, .depth = 8, .writes = 1, .flushes = 0, .discards = 0});
  EXPECT_TRUE(comes_to(disk_, "paused"));
  host_.store().write({{sim::backend_directory(disk_) + "/tapring-on-no-space", "report"}});
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }, 500ms));
  EXPECT_EQ(load.failed(), 8U);
  EXPECT_EQ(host_.report(disk_.name).on_no_space, "report");
}

TEST_P(Pause, ThePolicyOfADiskOutlivesTheDaemon) {
  SimFrontend& frontend = attach_and_connect(disk_);
  set_policy(disk_, {{"on_no_space", "report"}, {"pause_limit_seconds", "7"}});
  host_.restart();
  EXPECT_TRUE(comes_to(disk_, "connected"));
  EXPECT_EQ(host_.report(disk_.name).on_no_space, "report");
  EXPECT_EQ(host_.report(disk_.name).pause_limit_seconds, 7U);
  set_policy(disk_, {{"on_no_space", "default"}});
  host_.restart();
  EXPECT_TRUE(comes_to(disk_, "connected"));
  EXPECT_EQ(host_.report(disk_.name).on_no_space, "pause");
  EXPECT_EQ(host_.report(disk_.name).pause_limit_seconds, 7U);
  expect_served(frontend);
}

TEST_P(Pause, APolicyThatIsNoneIsTheDaemons) {
  const sim::LogLines log;
  attach_and_connect(disk_);
  const std::string directory = sim::backend_directory(disk_);
  host_.store().write({{directory + "/tapring-on-no-space", "stop\n"},
                       {directory + "/tapring-on-io-error", "pause"}});
  EXPECT_TRUE(host_.run_until([&] { return host_.report(disk_.name).on_io_error == "pause"; }));
  EXPECT_EQ(host_.report(disk_.name).on_no_space, "pause");
  EXPECT_GE(log.count_with("on_no_space = stop\\x0a: must be report, pause or default"), 1U);
}

TEST_P(Pause, AFlushThatFailedIsToldWhateverThePolicy) {
  SimFrontend& frontend = attach_and_connect(disk_);
  set_policy(disk_, {{"on_io_error", "pause"}});
  fail(disk_, FileOperation::Kind::sync, ENOSPC);
  std::optional<int16_t> status;
  frontend.flush([&status](int16_t answer) { status = answer; });
  EXPECT_TRUE(host_.run_until([&] { return status.has_value(); }));
  EXPECT_EQ(status, sim::kGuestError);
  make_room(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 10, .writes = 1, .flushes = 0, .discards = 0});
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 10U);
  EXPECT_EQ(host_.report(disk_.name).counters.pauses, 0U);
}

// Its map finds no room when it is to be made durable: nothing that was written is lost by that.
TEST_P(Pause, AFlushThatFindsNoRoomForMetadataWaitsAsAWriteDoes) {
  DiskLine disk = line(1, "a.qcow2");
  const std::string image = disk.params;
  run_command("qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 " +
              shell_quoted(image) + " 8M");
  disk.params = "qcow2:" + image;
  disk.script = "/etc/xen/scripts/block-tapring";
  SimFrontend& frontend = attach_and_connect(disk, {.queues = 2});
  for (int round = 0; round < 5; ++round) {
    SimLoad load(host_.world(), frontend, {.requests = 300, .depth = 40, .flushes = 0.3});
    EXPECT_TRUE(host_.run_until([&] { return load.answered() > 100; }));
    host_.storage().behaviour(image).fault = [](const FileOperation& operation) {
      return system_error_code(operation.kind == FileOperation::Kind::write ? ENOSPC : 0);
    };
    EXPECT_TRUE(comes_to(disk, "paused"));
    host_.world().run_for(5s);
    host_.storage().behaviour(image).fault = nullptr;
    expect_done(load);
    EXPECT_TRUE(comes_to(disk, "connected"));
  }
  EXPECT_EQ(host_.report(disk.name).counters.errors, 0U);
  expect_served(frontend);
}

TEST_P(Pause, APausedDiskIsDetachedByForce) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  fill(disk_);
  SimLoad load(host_.world(), frontend, kWrites);
  EXPECT_TRUE(comes_to(disk_, "paused"));
  host_.world().run_for(3s);
  host_.toolstack().force_detach(disk_.name);
  EXPECT_TRUE(reaches(disk_, Progress::gone));
  EXPECT_TRUE(host_.run_until([&] { return host_.held().empty(); }, 5s)) << host_.held();
  host_.world().run_for(20s);
}

TEST_P(Pause, NothingIsHeldOfAGuestThatDiesWhileItWaits) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  fill(disk_);
  SimLoad load(host_.world(), frontend, kWrites);
  EXPECT_TRUE(comes_to(disk_, "paused"));
  frontend.die();
  host_.toolstack().destroy(1);
  EXPECT_TRUE(host_.run_until([&] { return host_.held().empty(); })) << host_.held();
}

TEST_P(Pause, ADiskThatIsToBeDetachedIsWhenThereIsRoom) {
  SimFrontend& frontend = attach_and_connect(disk_);
  fill(disk_);
  SimLoad load(host_.world(), frontend,
               {.requests = 8, .depth = 8, .writes = 1, .flushes = 0, .discards = 0});
  EXPECT_TRUE(comes_to(disk_, "paused"));
  host_.toolstack().detach(disk_.name);
  host_.world().run_for(3s);
  EXPECT_EQ(state(disk_), "paused");
  make_room(disk_);
  EXPECT_TRUE(reaches(disk_, Progress::gone));
  EXPECT_EQ(load.failed(), 0U);
}

// It finds them in the journal.
TEST_P(Pause, TheNextDaemonHoldsWhatTheOneBeforeHeld) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 4});
  fill(disk_);
  SimLoad load(host_.world(), frontend, kWrites);
  EXPECT_TRUE(comes_to(disk_, "paused"));
  host_.world().run_for(3s);
  const uint64_t held = host_.report(disk_.name).counters.held;
  host_.restart();
  EXPECT_TRUE(comes_to(disk_, "paused"));
  host_.world().run_for(3s);
  EXPECT_EQ(host_.report(disk_.name).counters.held, held);
  host_.kill();
  host_.start();
  EXPECT_TRUE(comes_to(disk_, "paused"));
  make_room(disk_);
  expect_done(load);
  EXPECT_TRUE(comes_to(disk_, "connected"));
}

}  // namespace
}  // namespace tapring
