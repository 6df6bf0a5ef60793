// SPDX-License-Identifier: MIT
// A disk taken up from whoever served it before.
#include "daemon/datapath/disk.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "daemon/vbd/open_disk.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/sim/event_channel.h"
#include "tests/sim/front_queue.h"
#include "tests/sim/grants.h"
#include "tests/sim/loop.h"
#include "tests/sim/machine.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring {
namespace {

constexpr DomainId kGuest = 1;

/// A guest with one ring, and a worker that nobody told of it yet.
class DiskTest : public testing::Test {
 protected:
  DiskTest() {
    machine_.create_domain(kGuest);
    queue_.emplace(world_, machine_, kGuest, DomainId{0}, sim::FrontQueue::Options{});
    std::ofstream(image_).close();
    std::filesystem::resize_file(image_, 1 << 20);
  }

  void ask() {
    queue_->submit({.operation = sim::kGuestRead,
                    .sector = 0,
                    .sectors = 8,
                    .data = {},
                    .done = [this](int16_t status, auto) { answer_ = status; }});
  }

  std::shared_ptr<Disk> connect(RingHistory history) {
    const QueueSetup setup{queue_->ring_refs(), queue_->port()};
    auto image = open_disk({{"raw", image_}, "w", Purpose::service, "vbd-1-51712"}, {});
    const DiskOptions options{"1/xvda", kGuest, image->geometry(),
                              {Abi::x86_64, "x86_64-abi", {setup}}, {.history = history}};
    auto disk = std::make_shared<Disk>(worker_, std::move(image), options, stats_);
    disk->start();
    return disk;
  }

  bool answered() {
    return world_.run_until([this] { return answer_.has_value(); }, std::chrono::seconds(1));
  }

  void end(const std::shared_ptr<Disk>& disk) {
    bool ended = false;
    loop_.post([&] { disk->end(Disk::Ending::abandon, [&ended] { ended = true; }); });
    EXPECT_TRUE(world_.run_until([&] { return ended; }, std::chrono::seconds(1)));
    EXPECT_EQ(machine_.mappings(), 0U);
  }

  TemporaryDirectory directory_;
  std::string image_ = directory_.path() / "a.img";
  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimMachine machine_{world_};
  sim::SimLoop loop_{world_, storage_};
  sim::SimGrants grants_{machine_, 0};
  sim::SimEventChannel events_{loop_, machine_, 0};
  Worker worker_{loop_, grants_, events_, BufferPool::kMaxBufferBytes};
  std::optional<sim::FrontQueue> queue_;
  std::shared_ptr<DiskStats> stats_ = std::make_shared<DiskStats>();
  std::optional<int16_t> answer_;
};

TEST_F(DiskTest, RequestsLeftInADrainedRingAreServed) {
  ask();
  const auto disk = connect(RingHistory::drained);
  EXPECT_TRUE(answered());
  EXPECT_EQ(answer_, sim::kGuestOkay);
  end(disk);
}

TEST_F(DiskTest, RingOfUnknownHistoryIsTakenUpWhenAllWasAnswered) {
  const auto disk = connect(RingHistory::unknown);
  ask();
  EXPECT_TRUE(answered());
  end(disk);
}

TEST_F(DiskTest, RingOfUnknownHistoryWithUnansweredRequestsIsRefused) {
  ask();
  EXPECT_THROW(connect(RingHistory::unknown), std::system_error);
  EXPECT_FALSE(answered());
  EXPECT_EQ(machine_.mappings(), 0U);
  EXPECT_EQ(events_.bound(), 0U);
}

}  // namespace
}  // namespace tapring
