// SPDX-License-Identifier: MIT
// The daemon is killed, and another one begins on what is in xenstore and in the rings.
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/daemon/vbd/host_test.h"
#include "tests/formats/qemu.h"
#include "tests/sim/qcow2_image.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

using sim::FrontendOptions;
using sim::SimFrontend;
using sim::SimLoad;

class Kill : public HostTest {
 protected:
  void kill_and_start() {
    host_.kill();
    EXPECT_EQ(host_.held(), "");
    host_.world().run_for(20ms);
    host_.start();
  }

  void kill_without_journals() {
    host_.kill();
    host_.journals().clear();
    host_.start();
  }

  /// Its clusters are small: every few writes need a sync.
  void expect_close_error_kept(const DiskLine& disk, const std::string& image) {
    SimFrontend& frontend = attach_and_connect(disk);
    expect_served(frontend, {.requests = 20});
    Error& close_error = host_.storage().behaviour(host_.image_path(image)).close_error;
    close_error = system_error_code(EIO);
    host_.restart();
    close_error = {};
    EXPECT_EQ(flush(frontend), sim::kGuestError);
    expect_detached(disk);
    attach_and_connect(disk);
    EXPECT_EQ(flush(frontend), sim::kGuestOkay);
  }

  DiskLine qcow2_line() {
    DiskLine disk = line(1, "a.qcow2");
    run_command("qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 " +
                shell_quoted(disk.params) + " 8M");
    disk.params = "qcow2:" + disk.params;
    disk.script = "/etc/xen/scripts/block-tapring";
    return disk;
  }

  void fail_next_sync(const std::string& image) {
    auto& behaviour = host_.storage().behaviour(host_.image_path(image));
    behaviour.fault = [failed = false](const sim::FileOperation& operation) mutable {
      if (failed || operation.kind != sim::FileOperation::Kind::sync) return Error{};
      failed = true;
      return system_error_code(ENOSPC);
    };
  }

  int flush(SimFrontend& frontend) {
    std::optional<int> answer;
    frontend.flush([&answer](int16_t status) { answer = status; });
    host_.run_until([&] { return answer.has_value(); });
    return answer.value_or(1);
  }

  bool reports(const DiskLine& disk, const std::string& state) {
    return host_.run_until([&] { return host_.report(disk.name).state == state; });
  }

  void expect_refused(const DiskLine& disk) {
    EXPECT_TRUE(refused(disk));
    EXPECT_THAT(host_.report(disk.name).reason,
                testing::AllOf(testing::HasSubstr("requests unanswered"),
                               testing::HasSubstr("detach the disk with --force")));
  }

  DiskLine disk_ = line(1, "a.img");
};

INSTANTIATE_TEST_SUITE_P(Seeds, Kill, testing::ValuesIn(sim::seeds(2)));

TEST_P(Kill, AnIdleDiskIsTakenUp) {
  SimFrontend& frontend =
      attach_and_connect(disk_, {.ring_order = 2, .queues = 3, .persistent_grants = true});
  expect_served(frontend, {.requests = 100});
  kill_and_start();
  EXPECT_TRUE(reports(disk_, "connected"));
  expect_served(frontend, {.requests = 100});
  expect_detached(disk_);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Kill, ABusyDiskIsTakenUpAndNothingIsLost) {
  SimFrontend& frontend =
      attach_and_connect(disk_, {.ring_order = 1, .queues = 3, .persistent_grants = true});
  SimLoad load(host_.world(), frontend, {.requests = 600});
  for (uint64_t deaths = 1; deaths < 10; ++deaths) {
    EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50 * deaths; }));
    kill_and_start();
  }
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  expect_detached(disk_);
  EXPECT_EQ(host_.journals().count(), 0U);
}

TEST_P(Kill, AtAnyStepInAJournalLosesNothing) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 2});
  for (uint64_t step = GetParam() % 8; step < 160; step += 8) {
    SimLoad load(host_.world(), frontend, {.requests = 30, .depth = 8});
    host_.journals().at_store(step, [this] { host_.kill(); });
    EXPECT_TRUE(host_.run_until([&] { return !host_.running(); })) << step;
    host_.start();
    EXPECT_TRUE(host_.run_until([&] { return load.done(); })) << step;
    EXPECT_EQ(load.failed(), 0U) << step;
  }
}

// The journal says the same to the second who reads it.
TEST_P(Kill, OfADaemonThatTakesADiskUpLosesNothing) {
  SimFrontend& frontend = attach_and_connect(disk_);
  for (uint64_t step = GetParam() % 8; step < 80; step += 8) {
    SimLoad load(host_.world(), frontend, {.requests = 60, .depth = 24});
    const uint64_t some = load.answered() + 10;
    EXPECT_TRUE(host_.run_until([&] { return load.answered() > some; }));
    host_.kill();
    host_.journals().at_store(step, [this] { host_.kill(); });
    host_.start();
    EXPECT_TRUE(host_.run_until([&] { return !host_.running(); })) << step;
    host_.start();
    EXPECT_TRUE(host_.run_until([&] { return load.done(); })) << step;
    EXPECT_EQ(load.failed(), 0U) << step;
  }
}

TEST_P(Kill, AfterAStopInOrderLosesNothing) {
  SimFrontend& frontend = attach_and_connect(disk_);
  for (uint64_t step = GetParam() % 8; step < 80; step += 8) {
    SimLoad load(host_.world(), frontend, {.requests = 100, .depth = 24});
    EXPECT_TRUE(host_.run_until([&] { return load.answered() > 10; }));
    host_.restart();
    host_.journals().at_store(step, [this] { host_.kill(); });
    EXPECT_TRUE(host_.run_until([&] { return !host_.running(); })) << step;
    host_.start();
    EXPECT_TRUE(host_.run_until([&] { return load.done(); })) << step;
    EXPECT_EQ(load.failed(), 0U) << step;
  }
}

// The kernel told it to the daemon that is no more.
TEST_P(Kill, AFlushThatFailedIsNotBelievedByTheNext) {
  SimFrontend& frontend = attach_and_connect(disk_);
  expect_served(frontend, {.requests = 20});
  auto& behaviour = host_.storage().behaviour(host_.image_path("a.img"));
  behaviour.fault = [](const sim::FileOperation& operation) {
    return operation.kind == sim::FileOperation::Kind::sync ? system_error_code(EIO) : Error{};
  };
  EXPECT_EQ(flush(frontend), sim::kGuestError);
  behaviour.fault = nullptr;
  EXPECT_EQ(flush(frontend), sim::kGuestError);
  kill_and_start();
  EXPECT_EQ(flush(frontend), sim::kGuestError);
  host_.restart();
  EXPECT_EQ(flush(frontend), sim::kGuestError);
  expect_detached(disk_);
  attach_and_connect(disk_);
  EXPECT_EQ(flush(frontend), sim::kGuestOkay);
}

/// Such an image syncs for itself, too: before its map leads to new clusters, and at its end.
TEST_P(Kill, NorIsASyncThatAnImageOfQcow2NeededItself) {
  const DiskLine disk = qcow2_line();
  SimFrontend& frontend = attach_and_connect(disk);
  fail_next_sync("a.qcow2");
  SimLoad load(host_.world(), frontend, {.requests = 100});
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_GT(load.failed(), 0U);
  EXPECT_EQ(flush(frontend), sim::kGuestError);
  kill_and_start();
  EXPECT_EQ(flush(frontend), sim::kGuestError);
  expect_detached(disk);
}

TEST_P(Kill, LeaksNoClusterForLong) {
  const DiskLine disk = qcow2_line();
  const std::string image = host_.image_path("a.qcow2");
  SimFrontend& frontend = attach_and_connect(disk);
  uint64_t leaks = 0;
  for (int deaths = 0; deaths < 10; ++deaths) {
    SimLoad load(host_.world(), frontend, {.requests = 100, .writes = 0.9, .discards = 0.3});
    EXPECT_TRUE(host_.run_until([&] { return load.answered() > 30; }));
    host_.kill();
    host_.world().run_for(20ms);
    leaks += sim::check_qcow2(image).leaks;
    host_.start();
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  }
  EXPECT_GT(leaks, 0U);
  expect_detached(disk);
  EXPECT_EQ(sim::check_qcow2(image).leaks, 0U);
  EXPECT_EQ(complaints_of_qemu(image), "");
}

TEST_P(Kill, NorIsTheLastSyncOfADaemonThatStops) {
  const DiskLine disk = qcow2_line();
  SimFrontend& frontend = attach_and_connect(disk);
  expect_served(frontend, {.requests = 20});
  fail_next_sync("a.qcow2");
  host_.restart();
  EXPECT_EQ(flush(frontend), sim::kGuestError);
  expect_detached(disk);
  attach_and_connect(disk);
  EXPECT_EQ(flush(frontend), sim::kGuestOkay);
}

// The kernel was about to tell it to the daemon that is no more, and tells nobody else.
TEST_P(Kill, NorIsOneThatWasUnderWay) {
  const std::string image = host_.image_path("a.img");
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 2});
  expect_served(frontend, {.requests = 20, .writes = 1, .flushes = 0});
  host_.storage().lose_writes(image, EIO);
  host_.storage().hang(image);
  std::optional<int> answer;
  frontend.flush([&answer](int16_t status) { answer = status; });
  host_.world().run_for(20ms);
  host_.kill();
  host_.storage().release(image);
  host_.world().run_for(20ms);
  host_.start();
  EXPECT_TRUE(host_.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer, sim::kGuestError);
  EXPECT_EQ(host_.report(disk_.name).state, "failed");
  kill_and_start();
  EXPECT_EQ(flush(frontend), sim::kGuestError);
  expect_detached(disk_);
  EXPECT_TRUE(host_.witnesses().empty());
  attach_and_connect(disk_);
  EXPECT_EQ(flush(frontend), sim::kGuestOkay);
}

TEST_P(Kill, NorIsOneOfALossThatAnotherProcessWasToldOf) {
  const std::string image = host_.image_path("a.img");
  SimFrontend& frontend = attach_and_connect(disk_);
  expect_served(frontend, {.requests = 20});
  uint64_t other = host_.storage().told_at_opening(image);
  host_.storage().lose_writes(image, EIO);
  EXPECT_TRUE(host_.storage().take_writeback_error(image, other));
  kill_and_start();
  EXPECT_EQ(flush(frontend), sim::kGuestError);
}

// NFS and FUSE tell of what they could not write back when the file is closed.
TEST_P(Kill, NorIsWhatClosingTheImageToldADaemonThatStops) {
  expect_close_error_kept(disk_, "a.img");
}

TEST_P(Kill, NorIsWhatClosingAMappedImageToldADaemonThatStops) {
  expect_close_error_kept(qcow2_line(), "a.qcow2");
}

/// Its guest waits, whatever the next daemon says.
TEST_P(Kill, ADiskThatCouldNotBeTakenUpIsTriedAgain) {
  SimFrontend& frontend = attach_and_connect(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 300});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  host_.kill();
  const std::string away = disk_.params + ".away";
  std::filesystem::rename(disk_.params, away);
  host_.start();
  EXPECT_TRUE(refused(disk_));
  host_.world().run_for(25s);
  EXPECT_TRUE(refused(disk_));
  std::filesystem::rename(away, disk_.params);
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_EQ(host_.report(disk_.name).reason, "");
  expect_detached(disk_);
}

TEST_P(Kill, WithoutItsJournalABusyDiskIsRefused) {
  const DiskLine other = line(2, "b.img");
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 2});
  SimFrontend& idle = attach_and_connect(other);
  SimLoad load(host_.world(), frontend, {.requests = 1000});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 100; }));
  kill_without_journals();
  expect_refused(disk_);
  const uint64_t answered = load.answered();
  EXPECT_TRUE(reports(other, "connected"));
  expect_served(idle, {.requests = 100});
  host_.world().run_for(1s);
  EXPECT_EQ(load.answered(), answered);
  load.stop();
  expect_detached(disk_);
  host_.world().run_for(100ms);  // the guest notices
  EXPECT_TRUE(frontend.released());
  attach_and_connect(disk_);
  expect_served(frontend, {.requests = 100});
}

TEST_P(Kill, ADiskThatWasDrainedIsTakenUpThoughItsNextDaemonDies) {
  SimFrontend& frontend = attach_and_connect(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 300});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  host_.restart();
  kill_and_start();  // before it has looked at anything
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
}

TEST_P(Kill, AnEarlierStopInOrderSaysNothingOfTheLastEnd) {
  SimFrontend& frontend = attach_and_connect(disk_);
  expect_served(frontend, {.requests = 20});
  host_.restart();
  EXPECT_TRUE(reports(disk_, "connected"));
  SimLoad load(host_.world(), frontend, {.requests = 1000});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 100; }));
  kill_without_journals();
  expect_refused(disk_);
  load.stop();
}

TEST_P(Kill, AtAnyMomentOfAnAttachHoldsNothingUp) {
  for (int moment = 0; moment < 20; ++moment) {
    SimFrontend& frontend = attach(disk_);
    host_.world().run_for(moment * 800us);
    kill_and_start();
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); })) << moment;
    expect_served(frontend, {.requests = 10});
    expect_detached(disk_);
    EXPECT_EQ(host_.held(), "");
  }
}

TEST_P(Kill, AtAnyMomentOfADetachHoldsNothingUp) {
  for (int moment = 0; moment < 20; ++moment) {
    attach_and_connect(disk_);
    host_.toolstack().detach(disk_.name);
    host_.world().run_for(moment * 200us);
    kill_and_start();
    EXPECT_TRUE(reaches(disk_, Progress::gone)) << moment;
    EXPECT_EQ(host_.held(), "");
  }
}

TEST_P(Kill, AGuestThatWasDestroyedMeanwhileLeavesNothingBehind) {
  SimFrontend& frontend = attach_and_connect(disk_);
  SimLoad load(host_.world(), frontend, {.requests = 1000});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 100; }));
  host_.kill();
  frontend.die();
  host_.toolstack().destroy(1);
  host_.world().run_for(100ms);
  host_.start();
  EXPECT_TRUE(reaches(disk_, Progress::gone));
  EXPECT_EQ(host_.held(), "");
  load.stop();
}

TEST_P(Kill, JournalsOfDisksThatWentMeanwhileGo) {
  const DiskLine other = line(2, "b.img");
  attach_and_connect(disk_);
  attach_and_connect(other);
  host_.kill();
  host_.toolstack().force_detach(disk_.name);
  host_.world().run_for(60s);
  EXPECT_EQ(host_.journals().disks().size(), 2U);
  host_.start();
  EXPECT_TRUE(reports(other, "connected"));
  EXPECT_THAT(host_.journals().disks(), testing::ElementsAre("vbd-2-51712"));
}

}  // namespace
}  // namespace tapring
