// SPDX-License-Identifier: MIT
// Whole lives of disks in a simulated world: attach, I/O that is verified, detach, and what comes
// in between.
#include <algorithm>
#include <chrono>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using sim::SimLoad;

using Attach = HostTest;

INSTANTIATE_TEST_SUITE_P(Seeds, Attach, testing::ValuesIn(sim::seeds(2)));

TEST_P(Attach, ADiskIsAttachedServedAndDetached) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  EXPECT_EQ(frontend.sectors(), kImageBytes / 512);
  EXPECT_TRUE(reaches(disk, Progress::attached));
  expect_served(frontend);
  expect_detached(disk);
  EXPECT_TRUE(host_.run_until([&] { return frontend.released(); }));
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, TheSameLineAttachesAgain) {
  const DiskLine disk = line(1, "a.img");
  for (int i = 0; i < 10; ++i) {
    SimFrontend& frontend = attach_and_connect(disk);
    expect_served(frontend, {.requests = 20});
    expect_detached(disk);
    EXPECT_EQ(host_.held(), "");
  }
}

TEST_P(Attach, Dom0MayBeItsOwnGuest) {
  const DiskLine disk = line(0, "a.img");
  expect_served(attach_and_connect(disk));
  expect_detached(disk);
}

TEST_P(Attach, EveryLayoutAndRingIsServed) {
  const std::vector<FrontendOptions> rings{
      {.protocol = "", .ring_order = 0},
      {.protocol = "x86_32-abi", .abi = Abi::x86_32, .ring_order = 2},
      {.protocol = "arm-abi", .ring_order = 4, .queues = 2},
      {.queues = 4, .indirect_segments = 0},
      {.protocol = "x86_32-abi", .abi = Abi::x86_32, .queues = 3, .indirect_segments = 32},
  };
  for (DomainId domain = 1; domain <= rings.size(); ++domain) {
    const FrontendOptions& options = rings[domain - 1U];
    const DiskLine disk = line(domain, "disk" + std::to_string(domain));
    SimFrontend& frontend = attach_and_connect(disk, options);
    EXPECT_EQ(frontend.queues(), options.queues);
    expect_served(frontend, {.requests = 100});
    expect_detached(disk);
  }
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, EveryKindOfBackendIsServed) {
  const std::string path = host_.make_image("a.img", kImageBytes);
  const std::vector<DiskLine> lines{
      {.kind = "vbd", .params = path},
      {.kind = "vbd", .params = "raw:" + path, .script = "/etc/xen/scripts/block-tapring"},
      {.kind = "vbd3", .params = "aio:" + path, .script = "/etc/xen/scripts/block-tap"},
      {.kind = "vbd3", .params = "aio:raw:" + path, .script = "/etc/xen/scripts/block-tapring"},
      {.kind = "qdisk", .params = "aio:" + path, .script = ""},
  };
  DomainId domain = 1;
  for (DiskLine disk : lines) {
    disk.name.domain = domain++;
    attach_and_connect(disk);
    expect_detached(disk);
  }
}

TEST_P(Attach, NoByteOfAReadOnlyDiskIsWritten) {
  const DiskLine disk = line(1, "a.img", "r");
  SimFrontend& frontend = attach_and_connect(disk);
  EXPECT_TRUE(frontend.read_only());
  expect_served(frontend);
  int16_t status = 0;
  frontend.write(0, 8, [&](int16_t answer) { status = answer; });
  EXPECT_TRUE(host_.run_until([&] { return status != 0; }));
  EXPECT_EQ(status, sim::kGuestError);
  EXPECT_EQ(host_.storage().unsynced_writes(disk.params), 0U);
}

TEST_P(Attach, AFlushMakesWhatWasAnsweredDurable) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  expect_served(frontend, {.requests = 50, .writes = 1, .flushes = 0});
  EXPECT_GT(host_.storage().unsynced_writes(disk.params), 0U);
  bool flushed = false;
  frontend.flush([&](int16_t status) { flushed = status == sim::kGuestOkay; });
  EXPECT_TRUE(host_.run_until([&] { return flushed; }));
  EXPECT_EQ(host_.storage().unsynced_writes(disk.params), 0U);
}

/// The kernel's threads for syncs are few, and other disks want them too.
TEST_P(Attach, FlushesAtOnceAreOneOrTwoSyncs) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  int syncs = 0;
  host_.storage().behaviour(disk.params).fault = [&syncs](const sim::FileOperation& operation) {
    if (operation.kind == sim::FileOperation::Kind::sync) ++syncs;
    return Error{};
  };
  int flushed = 0;
  for (int i = 0; i < 20; ++i) {
    frontend.flush([&](int16_t status) { flushed += status == sim::kGuestOkay ? 1 : 0; });
  }
  EXPECT_TRUE(host_.run_until([&] { return flushed == 20; }));
  EXPECT_LE(syncs, 3);
  host_.storage().behaviour(disk.params).fault = nullptr;
}

TEST_P(Attach, AWriteIsNotAnsweredOkayAfterAFailedFlush) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  host_.storage().behaviour(disk.params).fault = [](const sim::FileOperation& operation) {
    return operation.kind == sim::FileOperation::Kind::sync ? system_error_code(EIO) : Error{};
  };
  std::vector<int16_t> statuses;
  const auto note = [&](int16_t status) { statuses.push_back(status); };
  frontend.flush(note);
  EXPECT_TRUE(host_.run_until([&] { return statuses.size() == 1; }));
  host_.storage().behaviour(disk.params).fault = nullptr;
  frontend.write(0, 8, note);
  EXPECT_TRUE(host_.run_until([&] { return statuses.size() == 2; }));
  EXPECT_THAT(statuses, testing::Each(sim::kGuestError));
}

TEST_P(Attach, FailingStorageFailsRequestsAndNothingElse) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  host_.storage().behaviour(disk.params).error_probability = 0.2;
  SimLoad load(host_.world(), frontend, {.flushes = 0});
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_GT(load.failed(), 0U);
  EXPECT_LT(load.failed(), load.answered());
  host_.storage().behaviour(disk.params).error_probability = 0;
  expect_served(frontend);
  expect_detached(disk);
}

TEST_P(Attach, StateFourWaitsForTheHotplugScript) {
  host_.toolstack().script_takes(5s);
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach(disk);
  host_.world().run_for(4s);
  EXPECT_EQ(host_.backend_state(disk), 2U);
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }, 2s));
}

TEST_P(Attach, AFailedHotplugScriptRefusesTheDisk) {
  host_.toolstack().script_writes("error");
  const DiskLine disk = line(1, "a.img");
  attach(disk);
  EXPECT_TRUE(refused(disk));
  expect_detached(disk);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, TwoDisksDoNotMeet) {
  const DiskLine first = line(1, "a.img");
  const DiskLine second = line(2, "b.img");
  SimFrontend& one = attach_and_connect(first);
  SimFrontend& two = attach_and_connect(second);
  SimLoad load_of_one(host_.world(), one);
  SimLoad load_of_two(host_.world(), two);
  EXPECT_TRUE(host_.run_until([&] { return load_of_one.done() && load_of_two.done(); }));
  EXPECT_EQ(load_of_one.failed() + load_of_two.failed(), 0U);
}

TEST_P(Attach, StorageThatHangsHoldsUpNoOtherDisk) {
  const DiskLine stuck = line(1, "a.img");
  const DiskLine others = line(2, "b.img");
  SimFrontend& waiting = attach_and_connect(stuck);
  host_.storage().hang(stuck.params);
  SimLoad load(host_.world(), waiting, {.requests = 30, .depth = 30});
  for (int i = 0; i < 3; ++i) {
    expect_served(attach_and_connect(others), {.requests = 50});
    expect_detached(others);
  }
  EXPECT_EQ(load.answered(), 0U);
  host_.storage().release(stuck.params);
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
}

TEST_P(Attach, AHundredAttachesDoNotWaitForOneImageThatHangs) {
  hang_at_open(line(1, "stuck.img"));
  std::vector<SimFrontend*> frontends;
  for (DomainId domain = 2; domain <= 101; ++domain) {
    frontends.push_back(&attach(line(domain, "disk" + std::to_string(domain))));
  }
  const auto connected = [](const SimFrontend* frontend) { return frontend->connected(); };
  EXPECT_TRUE(host_.run_until([&] { return std::ranges::all_of(frontends, connected); },
                              kToolstackPatience));
}

TEST_P(Attach, AnImageThatHangsDoesNotHoldUpState2) {
  const DiskLine stuck = line(1, "a.img");
  hang_at_check(stuck);
  EXPECT_EQ(host_.backend_state(stuck), 2U);
  EXPECT_TRUE(reaches(stuck, Progress::attached));
  EXPECT_EQ(host_.report(stuck.name).state, "opening");
  expect_detached(stuck);
  host_.background().release();
  host_.world().run_for(1s);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, StateSixWaitsForAnImageThatIsStillOpening) {
  const DiskLine slow = line(1, "a.img");
  GetParam() % 2 == 0 ? hang_at_open(slow) : hang_at_check(slow);
  host_.toolstack().detach(slow.name);
  host_.world().run_for(2s);
  EXPECT_EQ(host_.backend_state(slow), 5U);
  host_.background().release();
  EXPECT_TRUE(closes(slow));
  EXPECT_EQ(host_.held(), "");
  EXPECT_TRUE(reaches(slow, Progress::gone));
}

TEST_P(Attach, ADiskThatGoesWhileItIsLookedAtMayComeBack) {
  const DiskLine disk = line(1, "a.img");
  host_.background().hold();
  attach(disk);
  EXPECT_TRUE(host_.run_until([&] { return host_.background().held() == 1; }));
  host_.toolstack().force_detach(disk.name);
  EXPECT_TRUE(reaches(disk, Progress::gone));
  host_.world().run_for(100ms);
  attach(disk);
  host_.world().run_for(100ms);
  host_.background().stop_holding();
  host_.background().release();
  EXPECT_TRUE(host_.run_until([&] { return frontends_.back()->connected(); }));
  expect_detached(disk);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, AnImageThatOpensAfterItWasGivenUpChangesNothing) {
  const DiskLine disk = line(1, "a.img", GetParam() % 2 == 0 ? "w" : "r");
  hang_at_open(disk);
  SimFrontend& frontend = *frontends_.back();
  frontend.close();
  EXPECT_TRUE(closes(disk));
  host_.background().release();
  EXPECT_TRUE(host_.run_until([&] { return host_.background().idle(); }));
  host_.world().run_for(100ms);
  EXPECT_EQ(host_.held(), "");
  frontend.reload();
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
  EXPECT_EQ(sim::Host::descriptors(disk.params), 1U);
  expect_detached(disk);
  EXPECT_EQ(host_.held(), "");
}

// Each would keep a thread, of which there are so many for all guests.
TEST_P(Attach, HoweverOftenADriverComesAndGoesOneOpeningOfItsImageHangs) {
  const DiskLine disk = line(1, "a.img");
  GetParam() % 2 == 0 ? hang_at_open(disk) : hang_at_check(disk);
  host_.background().hold();
  SimFrontend& frontend = *frontends_.back();
  for (int times = 0; times < 3; ++times) {
    frontend.close();
    EXPECT_TRUE(closes(disk));
    frontend.reload();
    host_.world().run_for(100ms);
    EXPECT_EQ(host_.background().held(), 1U);
  }
  EXPECT_EQ(host_.report(disk.name).reason, "its storage has not answered yet");
  host_.background().stop_holding();
  host_.background().release();
  EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
  expect_served(frontend);
  EXPECT_EQ(sim::Host::descriptors(disk.params), 1U);
  expect_detached(disk);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, ADiskThatGoesWhileItsImageIsClosingMayComeBack) {
  const DiskLine disk = line(1, "a.img");
  hang_at_open(disk);
  host_.store().write({{frontend_directory(disk.name) + "/protocol", "ia64-abi"}});
  host_.background().release();
  hold_next_work();
  EXPECT_EQ(host_.report(disk.name).state, "refused");
  host_.toolstack().force_detach(disk.name);
  EXPECT_TRUE(reaches(disk, Progress::gone));
  host_.world().run_for(100ms);
  host_.background().release();
  attach_and_connect(disk);
  expect_detached(disk);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, AGuestDestroyedInMidIoLeavesNothingBehind) {
  const DiskLine doomed = line(1, "a.img");
  const DiskLine other = line(2, "b.img");
  SimFrontend& victim = attach_and_connect(doomed);
  SimFrontend& bystander = attach_and_connect(other);
  SimLoad dying(host_.world(), victim, {.requests = 10'000});
  SimLoad living(host_.world(), bystander);
  host_.run_until([&] { return dying.answered() > 50; });
  victim.die();
  host_.toolstack().destroy(1);
  EXPECT_TRUE(reaches(doomed, Progress::gone, 1s));
  EXPECT_TRUE(host_.run_until([&] { return living.done(); }));
  EXPECT_EQ(living.failed(), 0U);
  EXPECT_EQ(host_.machine().mappings_of(1), 0U);
  EXPECT_EQ(sim::Host::descriptors(doomed.params), 0U);
}

TEST_P(Attach, OfADomainThatIsGoneItsDiskSaysSo) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& victim = attach_and_connect(disk);
  victim.die();
  host_.machine().destroy_domain(1);
  host_.store().announce("@releaseDomain");
  EXPECT_TRUE(host_.run_until([&] { return host_.report(disk.name).state == "closed"; }));
  EXPECT_THAT(host_.report(disk.name).reason, testing::HasSubstr("its domain is gone"));
}

TEST_P(Attach, ForcedDetachInMidIoLeavesNothingBehind) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  SimLoad load(host_.world(), frontend, {.requests = 10'000});
  host_.run_until([&] { return load.answered() > 50; });
  frontend.die();
  host_.toolstack().force_detach(disk.name);
  EXPECT_TRUE(reaches(disk, Progress::gone, 1s));
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, DetachInMidIoAnswersWhatIsInFlight) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  SimLoad load(host_.world(), frontend, {.requests = 10'000, .depth = 64});
  host_.run_until([&] { return load.answered() > 50; });
  expect_detached(disk);
  EXPECT_EQ(frontend.in_flight(), 0U);
  EXPECT_EQ(load.failed(), 0U);
}

TEST_P(Attach, AMountedDiskIsServedOnAfterARefusedDetach) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk, {.closes_when_asked = false});
  EXPECT_TRUE(reaches(disk, Progress::attached));
  host_.toolstack().detach(disk.name);
  EXPECT_TRUE(reaches(disk, Progress::detach_refused, 11s));
  expect_served(frontend);
  frontend.close();
  EXPECT_TRUE(closes(disk));
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, ARestartServesADiskOnThatIsAskedToClose) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk, {.closes_when_asked = false});
  SimLoad load(host_.world(), frontend, {.requests = 200});
  host_.toolstack().detach(disk.name);
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 50; }));
  host_.restart();
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_EQ(host_.store().read(sim::backend_directory(disk) + "/tapring-drained"), "0");
  frontend.close();
  EXPECT_TRUE(closes(disk));
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, ARestartAnswersADriverThatIsClosing) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  SimLoad load(host_.world(), frontend, {.requests = 200, .depth = 200});
  frontend.close();
  EXPECT_TRUE(host_.run_until([&] { return host_.backend_state(disk) == 5; }));
  host_.restart();
  EXPECT_TRUE(host_.run_until([&] { return frontend.closed() && frontend.released(); }));
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Attach, AReloadedDriverConnectsAgain) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  for (int i = 0; i < 5; ++i) {
    expect_served(frontend, {.requests = 40});
    frontend.close();
    EXPECT_TRUE(host_.run_until([&] { return frontend.closed() && frontend.released(); }));
    EXPECT_EQ(host_.held(), "");
    frontend.reload();
    EXPECT_TRUE(host_.run_until([&] { return frontend.connected(); }));
  }
  expect_served(frontend);
}

TEST_P(Attach, ARestartLosesNoRequest) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk, {.queues = 2});
  SimLoad load(host_.world(), frontend, {.requests = 400});
  for (uint64_t progress : {50U, 150U, 250U}) {
    EXPECT_TRUE(host_.run_until([&] { return load.answered() > progress; }));
    host_.restart();
  }
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  EXPECT_EQ(load.failed(), 0U);
  expect_detached(disk);
}

TEST_P(Attach, WildRingIndicesStopOneRingOnly) {
  const DiskLine disk = line(1, "a.img");
  const DiskLine other = line(2, "b.img");
  SimFrontend& hostile = attach_and_connect(disk);
  SimFrontend& bystander = attach_and_connect(other);
  hostile.queue(0).ring().set_producer(0x80000000U);
  hostile.queue(0).notify();
  expect_served(bystander);
  EXPECT_THAT(host_.report(disk.name).reason, testing::HasSubstr("ring indices"));
  expect_detached(disk);
}

TEST_P(Attach, AnImageIsServedOnce) {
  const DiskLine first = line(1, "a.img");
  attach_and_connect(first);
  DiskLine second = first;
  second.name.domain = 2;
  attach(second);
  EXPECT_TRUE(refused(second));
  EXPECT_THAT(host_.report(second.name).reason, testing::HasSubstr(first.params));
  expect_detached(second);
}

}  // namespace
}  // namespace tapring
