// SPDX-License-Identifier: MIT
// What a ring can do beyond reads, writes and flushes, end to end in a simulated world.
#include <sys/stat.h>

#include <chrono>
#include <filesystem>

#include "tests/daemon/vbd/host_test.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using sim::FileOperation;

class Feature : public HostTest {
 protected:
  /// Every operation that reaches the image's storage from now on, in the order of completion.
  std::vector<FileOperation::Kind>& watch_storage(const DiskLine& disk) {
    host_.storage().behaviour(disk.params).fault = [this](const FileOperation& operation) {
      operations_.push_back(operation.kind);
      return Error{};
    };
    return operations_;
  }

  sim::SimFrontend::Done note(std::vector<int16_t>& statuses) {
    return [&statuses](int16_t status) { statuses.push_back(status); };
  }

  int16_t discard(SimFrontend& frontend, uint64_t sector, uint32_t sectors) {
    std::vector<int16_t> statuses;
    frontend.discard(sector, sectors, note(statuses));
    EXPECT_TRUE(host_.run_until([&] { return !statuses.empty(); }));
    return statuses.empty() ? int16_t{99} : statuses.front();
  }

  static uint64_t room_taken(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  std::vector<FileOperation::Kind> operations_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, Feature, testing::ValuesIn(sim::seeds(3)));

TEST_P(Feature, DiscardsAreServedAmongEverythingElse) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk, {.ring_order = 2, .queues = 2});
  EXPECT_TRUE(frontend.discards());
  expect_served(frontend, {.requests = 400, .discards = 0.2});
  expect_detached(disk);
}

TEST_P(Feature, ADiscardGivesRoomBack) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  std::vector<int16_t> statuses;
  frontend.write(0, 2048, note(statuses));
  EXPECT_TRUE(host_.run_until([&] { return !statuses.empty(); }));
  EXPECT_GE(room_taken(disk.params), 1U << 20);
  EXPECT_EQ(discard(frontend, 0, 2048), sim::kGuestOkay);
  EXPECT_LT(room_taken(disk.params), 1U << 20);
  EXPECT_EQ(host_.report(disk.name).counters.discarded_bytes, 1U << 20);
}

TEST_P(Feature, NoDiscardIsOfferedOrServedWhereTheLineForbidsIt) {
  DiskLine disk = line(1, "a.img");
  disk.discard = false;
  SimFrontend& frontend = attach_and_connect(disk);
  EXPECT_FALSE(frontend.discards());
  EXPECT_EQ(discard(frontend, 0, 8), sim::kGuestNotSupported);
}

TEST_P(Feature, NoDiscardIsOfferedOfAReadOnlyDisk) {
  EXPECT_FALSE(attach_and_connect(line(1, "a.img", "r")).discards());
}

TEST_P(Feature, ADiscardThatStorageCannotDoIsNotSupported) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  host_.storage().behaviour(disk.params).fault = [](const FileOperation&) {
    return system_error_code(EOPNOTSUPP);
  };
  EXPECT_EQ(discard(frontend, 0, 8), sim::kGuestNotSupported);
}

TEST_P(Feature, ADiscardPastTheEndIsAnError) {
  SimFrontend& frontend = attach_and_connect(line(1, "a.img"));
  EXPECT_EQ(discard(frontend, kImageBytes / 512 - 4, 8), sim::kGuestError);
}

TEST_P(Feature, BarriersAreServedAmongEverythingElse) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk, {.ring_order = 1, .queues = 2});
  expect_served(frontend, {.requests = 300, .barriers = 0.1});
  expect_detached(disk);
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Feature, ABarrierStandsBetweenWhatIsBeforeAndAfterIt) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  const auto& operations = watch_storage(disk);
  std::vector<int16_t> statuses;
  for (uint64_t i = 0; i < 4; ++i) frontend.write(i * 8, 8, note(statuses));
  frontend.barrier(800, 8, note(statuses));
  for (uint64_t i = 0; i < 4; ++i) frontend.read(i * 8, 8, note(statuses));
  EXPECT_TRUE(host_.run_until([&] { return statuses.size() == 9; }));
  using Kind = FileOperation::Kind;
  EXPECT_THAT(operations, testing::ElementsAre(Kind::write, Kind::write, Kind::write, Kind::write,
                                               Kind::sync, Kind::write, Kind::sync, Kind::read,
                                               Kind::read, Kind::read, Kind::read));
  EXPECT_EQ(host_.storage().unsynced_writes(disk.params), 0U);
}

TEST_P(Feature, AnEmptyBarrierIsAFlush) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  const auto& operations = watch_storage(disk);
  std::vector<int16_t> statuses;
  frontend.barrier(0, 0, note(statuses));
  EXPECT_TRUE(host_.run_until([&] { return !statuses.empty(); }));
  EXPECT_THAT(statuses, testing::ElementsAre(sim::kGuestOkay));
  EXPECT_THAT(operations, testing::Each(FileOperation::Kind::sync));
}

TEST_P(Feature, AGuestDestroyedBehindABarrierLeavesNothingBehind) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  host_.storage().hang(disk.params);
  frontend.write(0, 8);
  frontend.barrier(8, 8);
  frontend.write(16, 8);
  EXPECT_TRUE(host_.run_until([&] { return host_.storage().in_flight(disk.params) == 1; }));
  host_.world().run_for(10ms);
  host_.toolstack().destroy(1);
  host_.storage().release(disk.params);
  EXPECT_TRUE(host_.run_until([&] { return host_.held().empty(); })) << host_.held();
}

TEST_P(Feature, StorageOfLargeBlocksIsReadBeforeItIsWrittenInPart) {
  DiskLine disk = line(1, "a.img");
  host_.storage().behaviour(disk.params).block_bytes = 4096;
  SimFrontend& frontend = attach_and_connect(disk, {.ring_order = 2, .queues = 2});
  // A small region, so that requests meet in the same blocks.
  expect_served(frontend, {.requests = 1500, .most_sectors = 24, .region_sectors = 64});
  expect_detached(disk);
}

TEST_P(Feature, PersistentGrantsStayMappedUntilTheDiskCloses) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend =
      attach_and_connect(disk, {.ring_order = 2, .queues = 2, .persistent_grants = true});
  const std::size_t rings = host_.machine().mappings();
  expect_served(frontend, {.requests = 600});
  EXPECT_EQ(host_.machine().mappings(), rings + 2 * sim::Host::kMaxPersistentGrants);
  expect_detached(disk);
  EXPECT_TRUE(host_.run_until([&] { return frontend.released(); }));
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Feature, PersistentGrantsSurviveARestartOfTheDaemon) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk, {.persistent_grants = true});
  expect_served(frontend, {.requests = 100});
  host_.restart();
  expect_served(frontend, {.requests = 100});
  expect_detached(disk);
  EXPECT_TRUE(host_.run_until([&] { return frontend.released(); }));
  EXPECT_EQ(host_.held(), "");
}

TEST_P(Feature, AGuestMayUseWhatItWasToldAfterARestartWithAnotherConfiguration) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk, {.indirect_segments = 32});
  const std::string offer = backend_directory(disk) + "/feature-max-indirect-segments";
  host_.store().write({{offer, "32"}});
  host_.restart();
  expect_served(frontend, {.requests = 10});
  EXPECT_EQ(host_.store().read(offer), "32");
}

TEST_P(Feature, WhatAGuestDidNotAgreeToIsNotKeptMapped) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  const std::size_t rings = host_.machine().mappings();
  expect_served(frontend, {.requests = 100});
  EXPECT_EQ(host_.machine().mappings(), rings);
  host_.restart();
  expect_served(frontend, {.requests = 100});
  EXPECT_EQ(host_.machine().mappings(), rings);
}

TEST_P(Feature, PersistentGrantsOfADestroyedGuestAreGivenBack) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk, {.persistent_grants = true});
  sim::SimLoad load(host_.world(), frontend, {.requests = 1000});
  EXPECT_TRUE(host_.run_until([&] { return load.answered() > 100; }));
  host_.toolstack().destroy(1);
  EXPECT_TRUE(host_.run_until([&] { return host_.held().empty(); })) << host_.held();
}

TEST_P(Feature, AGuestSeesItsImageGrow) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  std::filesystem::resize_file(disk.params, 2 * kImageBytes);
  host_.check_sizes();
  EXPECT_TRUE(host_.run_until([&] { return frontend.sectors() == 2 * kImageBytes / 512; }));
  std::vector<int16_t> statuses;
  frontend.write(2 * kImageBytes / 512 - 8, 8, note(statuses));
  EXPECT_TRUE(host_.run_until([&] { return !statuses.empty(); }));
  EXPECT_THAT(statuses, testing::ElementsAre(sim::kGuestOkay));
  EXPECT_EQ(host_.report(disk.name).size_bytes, 2 * kImageBytes);
  expect_detached(disk);
}

TEST_P(Feature, AnImageThatShrankKeepsTheSizeTheGuestKnows) {
  const DiskLine disk = line(1, "a.img");
  SimFrontend& frontend = attach_and_connect(disk);
  std::filesystem::resize_file(disk.params, kImageBytes / 2);
  host_.check_sizes();
  host_.world().run_for(1s);
  EXPECT_EQ(frontend.sectors(), kImageBytes / 512);
  std::vector<int16_t> statuses;
  frontend.write(kImageBytes / 512 - 8, 8, note(statuses));
  frontend.write(kImageBytes / 1024 - 1, 2, note(statuses));
  frontend.write(0, 8, note(statuses));
  EXPECT_TRUE(host_.run_until([&] { return statuses.size() == 3; }));
  EXPECT_THAT(statuses, testing::UnorderedElementsAre(sim::kGuestError, sim::kGuestError,
                                                      sim::kGuestOkay));
  EXPECT_EQ(std::filesystem::file_size(disk.params), kImageBytes / 2);
  expect_detached(disk);
}

TEST_P(Feature, SizesAreLookedAtWhileDisksComeAndGo) {
  const DiskLine disk = line(1, "a.img");
  for (int i = 0; i < 10; ++i) {
    attach(disk);
    for (int look = 0; look < 20; ++look) {
      host_.check_sizes();
      host_.world().run_for(500us);
    }
    expect_detached(disk);
    EXPECT_EQ(host_.held(), "");
  }
}

}  // namespace
}  // namespace tapring
