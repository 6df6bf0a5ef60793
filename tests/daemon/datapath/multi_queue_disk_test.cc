// SPDX-License-Identifier: MIT
// One disk on two workers.
#include "daemon/datapath/multi_queue_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ring/open_file.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/sim/event_channel.h"
#include "tests/sim/executor.h"
#include "tests/sim/front_queue.h"
#include "tests/sim/grants.h"
#include "tests/sim/host.h"
#include "tests/sim/loop.h"
#include "tests/sim/machine.h"
#include "tests/sim/open_image.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr DomainId kGuest = 1;
constexpr uint64_t kSectors = 2048;
constexpr std::size_t kQueues = 4;

class SpreadDiskTest : public testing::Test {
 protected:
  SpreadDiskTest() {
    machine_.create_domain(kGuest);
    for (std::size_t i = 0; i < kQueues; ++i) {
      queues_.emplace_back(world_, machine_, kGuest, DomainId{0}, sim::FrontQueue::Options{});
      setups_.push_back({queues_.back().ring_refs(), queues_.back().port()});
    }
    std::ofstream(image_).close();
    std::filesystem::resize_file(image_, kSectors * kSectorBytes);
  }

  ~SpreadDiskTest() override {
    if (disk_) end(Disk::Ending::abandon);
    EXPECT_EQ(held(), 0U);
  }

  std::unique_ptr<OpenImage> open(const std::string& mode = "w") {
    return sim::open_sim_image(
        storage_,
        {.spec = {"raw", image_}, .mode = mode, .purpose = Purpose::service, .disk = "1/xvda"});
  }

  std::shared_ptr<MultiQueueDisk> make_disk(RingHistory history = RingHistory::fresh,
                                            const std::string& mode = "w") {
    auto image = open(mode);
    const DiskOptions options{"1/xvda", kGuest, image->geometry(),
                              {Abi::x86_64, "x86_64-abi", setups_}, {.history = history}};
    MultiQueueDisk::Images images = MultiQueueDisk::share(std::move(image), workers_.count());
    return std::make_shared<MultiQueueDisk>(control_, workers_, images, options);
  }

  /// Empty, or why not.
  std::string connect(RingHistory history = RingHistory::fresh) {
    disk_ = make_disk(history);
    std::optional<std::string> answer;
    disk_->connect([&answer](const std::string& error) { answer = error; });
    EXPECT_TRUE(world_.run_until([&] { return answer.has_value(); }, kPatience));
    answer.value_or("no answer").empty() ? disk_->start() : disk_.reset();
    return answer.value_or("no answer");
  }

  void begin_to_end(Disk::Ending ending, unsigned& ended) {
    disk_->end(ending, [&ended] { ++ended; });
    disk_.reset();
  }

  void end(Disk::Ending ending) {
    unsigned ended = 0;
    begin_to_end(ending, ended);
    EXPECT_TRUE(world_.run_until([&] { return ended == 1; }, kPatience));
  }

  /// Where the answer will be.
  std::optional<int16_t>& submit(std::size_t queue, uint8_t operation, uint64_t sector = 0) {
    std::optional<int16_t>& answer = answers_.emplace_back();
    sim::FrontIo io{.operation = operation, .sector = sector, .sectors = 8, .data = {}, .done = {}};
    if (operation == sim::kGuestFlush) io.sectors = 0;
    if (operation == sim::kGuestWrite) io.data.resize(8 * kSectorBytes);
    io.done = [&answer](int16_t status, auto) { answer = status; };
    queues_[queue].submit(std::move(io));
    return answer;
  }

  int16_t status(std::size_t queue, uint8_t operation, uint64_t sector = 0) {
    const auto& answer = submit(queue, operation, sector);
    EXPECT_TRUE(world_.run_until([&] { return answer.has_value(); }, kPatience));
    return answer.value_or(int16_t{1});
  }

  /// Those that reach the image from now on.
  const unsigned& count_operations() {
    storage_.behaviour(image_).fault = [this](const sim::FileOperation&) {
      ++operations_;
      return Error{};
    };
    return operations_;
  }

  /// Pages mapped, ports bound and descriptors of the image.
  std::size_t held() const {
    return machine_.mappings() + simulated_[0].events.bound() + simulated_[1].events.bound() +
           sim::Host::descriptors(image_);
  }

  bool is_locked() {
    try {
      open();
      return false;
    } catch (const FileInUse&) {
      return true;
    }
  }

  struct Simulated {
    explicit Simulated(SpreadDiskTest& test)
        : loop(test.world_, test.storage_), grants(test.machine_, 0),
          events(loop, test.machine_, 0),
          worker(loop, grants, events, BufferPool::kMaxBufferBytes) {}
    sim::SimLoop loop;
    sim::SimGrants grants;
    sim::SimEventChannel events;
    Worker worker;
  };

  static constexpr std::chrono::seconds kPatience{1};

  TemporaryDirectory directory_;
  std::string image_ = directory_.path() / "a.img";
  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimMachine machine_{world_};
  sim::SimExecutor control_{world_};
  std::array<Simulated, 2> simulated_{Simulated(*this), Simulated(*this)};
  Workers workers_{{&simulated_[0].worker, &simulated_[1].worker}};
  std::deque<sim::FrontQueue> queues_;
  std::vector<QueueSetup> setups_;
  std::deque<std::optional<int16_t>> answers_;
  unsigned operations_ = 0;
  std::shared_ptr<MultiQueueDisk> disk_;
};

TEST_F(SpreadDiskTest, QueuesAreDealtOutAndAllServed) {
  EXPECT_EQ(connect(), "");
  EXPECT_THAT(disk_->workers(), ElementsAre(0, 1));
  EXPECT_EQ(simulated_[0].events.bound(), 2U);
  EXPECT_EQ(simulated_[1].events.bound(), 2U);
  for (std::size_t queue = 0; queue < kQueues; ++queue) {
    EXPECT_EQ(status(queue, sim::kGuestWrite), sim::kGuestOkay);
  }
  EXPECT_EQ(disk_->counters().writes, kQueues);
}

TEST_F(SpreadDiskTest, ImageInLargeBlocksStaysWithOneWorker) {
  storage_.behaviour(image_).block_bytes = 4096;
  EXPECT_EQ(connect(), "");
  EXPECT_THAT(disk_->workers(), ElementsAre(0));
  EXPECT_EQ(simulated_[0].events.bound(), kQueues);
  EXPECT_EQ(status(kQueues - 1, sim::kGuestRead), sim::kGuestOkay);
}

TEST_F(SpreadDiskTest, QueueGoesToTheWorkerThatHasFewest) {
  setups_.resize(3);
  EXPECT_EQ(connect(), "");
  setups_.resize(1);
  EXPECT_THAT(make_disk(RingHistory::fresh, "w!")->workers(), ElementsAre(1));
}

TEST_F(SpreadDiskTest, AfterTheEndNoQueueCounts) {
  setups_.resize(3);
  EXPECT_EQ(connect(), "");
  end(Disk::Ending::abandon);
  setups_.resize(1);
  EXPECT_THAT(make_disk()->workers(), ElementsAre(0));
}

TEST_F(SpreadDiskTest, TheImageOfADiskThatHasEndedIsNotServed) {
  EXPECT_EQ(connect(), "");
  const std::shared_ptr<MultiQueueDisk> ended = disk_;
  end(Disk::Ending::abandon);
  const DiskOptions options{"2/xvda", kGuest, {.size_bytes = kSectors * kSectorBytes},
                            {Abi::x86_64, "x86_64-abi", setups_}, {}};
  const auto disk = std::make_shared<MultiQueueDisk>(control_, workers_, *ended, options);
  std::optional<std::string> answer;
  disk->connect([&answer](const std::string& error) { answer = error; });
  EXPECT_TRUE(world_.run_until([&] { return answer.has_value(); }, kPatience));
  EXPECT_THAT(answer.value_or(""), HasSubstr("has ended"));
}

TEST_F(SpreadDiskTest, WhereOnePartCannotConnectNoneIsLeftOrServesAnything) {
  const unsigned& operations = count_operations();
  submit(0, sim::kGuestRead);
  setups_[1].ring_refs = {4'000'000};
  EXPECT_THAT(connect(), HasSubstr("4000000"));
  EXPECT_EQ(held(), 0U);
  EXPECT_FALSE(is_locked());
  EXPECT_EQ(operations, 0U);
  setups_.resize(1);
  EXPECT_THAT(make_disk()->workers(), ElementsAre(0));
}

TEST_F(SpreadDiskTest, WhereOneWorkerCannotStartNoneIsLeftEither) {
  workers_ = Workers(2, [this](uint32_t number) -> Worker& {
    if (number == 1) throw std::runtime_error("no thread");
    return simulated_[number].worker;
  });
  EXPECT_EQ(connect(), "no thread");
  disk_.reset();
  EXPECT_EQ(held(), 0U);
  EXPECT_FALSE(is_locked());
}

TEST_F(SpreadDiskTest, OneRingOfUnknownHistoryIsEnoughToServeNone) {
  const unsigned& operations = count_operations();
  submit(1, sim::kGuestRead);
  EXPECT_THAT(connect(RingHistory::unknown), HasSubstr("unanswered"));
  EXPECT_EQ(held(), 0U);
  EXPECT_EQ(operations, 0U);
}

TEST_F(SpreadDiskTest, LockGoesWithTheLastPartToDrain) {
  EXPECT_EQ(connect(), "");
  storage_.hang(image_);
  const auto& answer = submit(1, sim::kGuestWrite);
  EXPECT_TRUE(world_.run_until([&] { return storage_.in_flight(image_) == 1; }, kPatience));
  unsigned ended = 0;
  begin_to_end(Disk::Ending::drain, ended);
  world_.run_for(kPatience);
  EXPECT_EQ(sim::Host::descriptors(image_), 1U);
  EXPECT_TRUE(is_locked());
  EXPECT_EQ(ended, 0U);
  storage_.release(image_);
  EXPECT_TRUE(world_.run_until([&] { return ended > 0 && answer; }, kPatience));
  EXPECT_EQ(ended, 1U);
  EXPECT_EQ(answer, sim::kGuestOkay);
  EXPECT_FALSE(is_locked());
}

TEST_F(SpreadDiskTest, FailedFlushOnOneWorkerPoisonsTheImageOnAll) {
  EXPECT_EQ(connect(), "");
  storage_.behaviour(image_).fault = [](const sim::FileOperation& operation) {
    const bool sync = operation.kind == sim::FileOperation::Kind::sync;
    return system_error_code(sync ? EIO : 0);
  };
  EXPECT_EQ(status(0, sim::kGuestFlush), sim::kGuestError);
  storage_.behaviour(image_).fault = {};
  EXPECT_EQ(status(1, sim::kGuestWrite), sim::kGuestError);
  EXPECT_EQ(status(1, sim::kGuestFlush), sim::kGuestError);
  EXPECT_EQ(status(1, sim::kGuestRead), sim::kGuestOkay);
}

// The kernel reports a lost write to one of those who ask.
TEST_F(SpreadDiskTest, OfTwoFlushesAtOnceTheOtherIsNotBelieved) {
  EXPECT_EQ(connect(), "");
  storage_.behaviour(image_).fault = [first = true](const sim::FileOperation&) mutable {
    return system_error_code(std::exchange(first, false) ? EIO : 0);
  };
  const auto& one = submit(0, sim::kGuestFlush);
  const auto& other = submit(1, sim::kGuestFlush);
  EXPECT_TRUE(world_.run_until([&] { return one && other; }, kPatience));
  EXPECT_EQ(one, sim::kGuestError);
  EXPECT_EQ(other, sim::kGuestError);
}

// The twin is served by the first worker.
TEST_F(SpreadDiskTest, FailedFlushOnOneWorkerIsToldToATwinOnAnother) {
  const std::vector<QueueSetup> of_twin(setups_.begin() + 2, setups_.end());
  setups_.resize(2);
  EXPECT_EQ(connect(), "");
  const DiskOptions options{.name = "2/xvda",
                            .domain = kGuest,
                            .geometry = {.size_bytes = kSectors * kSectorBytes},
                            .rings = {Abi::x86_64, "x86_64-abi", of_twin},
                            .origin = {},
                            .faults = std::make_shared<DiskFaults>(image_, std::function<void()>(),
                                                                   disk_->lost_writes())};
  const auto twin = std::make_shared<MultiQueueDisk>(control_, workers_, *disk_, options);
  std::optional<std::string> error;
  twin->connect([&error](const std::string& answer) { error = answer; });
  EXPECT_TRUE(world_.run_until([&] { return error.has_value(); }, kPatience));
  EXPECT_EQ(error, "");
  twin->start();
  storage_.behaviour(image_).fault = [](const sim::FileOperation&) {
    return system_error_code(EIO);
  };
  EXPECT_EQ(status(1, sim::kGuestFlush), sim::kGuestError);
  storage_.behaviour(image_).fault = {};
  EXPECT_EQ(status(2, sim::kGuestFlush), sim::kGuestError);
  bool ended = false;
  twin->end(Disk::Ending::abandon, [&ended] { ended = true; });
  EXPECT_TRUE(world_.run_until([&] { return ended; }, kPatience));
}

// The kernel has told one worker, which has not heard of it yet.
TEST_F(SpreadDiskTest, EachWorkerIsToldOfALostWriteByTheKernelItself) {
  EXPECT_EQ(connect(), "");
  EXPECT_EQ(status(1, sim::kGuestWrite), sim::kGuestOkay);
  storage_.lose_writes(image_, EIO);
  const auto& late = submit(0, sim::kGuestFlush);
  EXPECT_TRUE(world_.run_until([&] { return storage_.in_flight(image_) == 1; }, kPatience));
  simulated_[0].loop.stall();
  world_.run_for(std::chrono::milliseconds(5));
  EXPECT_EQ(status(1, sim::kGuestFlush), sim::kGuestError);
  simulated_[0].loop.go_on();
  EXPECT_TRUE(world_.run_until([&] { return late.has_value(); }, kPatience));
  EXPECT_EQ(late, sim::kGuestError);
}

TEST_F(SpreadDiskTest, GrowthIsServedByAllParts) {
  EXPECT_EQ(connect(), "");
  EXPECT_EQ(status(1, sim::kGuestRead, kSectors), sim::kGuestError);
  std::filesystem::resize_file(image_, 2 * kSectors * kSectorBytes);
  std::optional<Result<uint64_t>> sectors;
  disk_->measure([&sectors](const Result<uint64_t>& now) { sectors = now; });
  EXPECT_TRUE(world_.run_until([&] { return sectors.has_value(); }, kPatience));
  EXPECT_EQ(sectors, 2 * kSectors);
  for (std::size_t queue = 0; queue < kQueues; ++queue) {
    EXPECT_EQ(status(queue, sim::kGuestRead, kSectors), sim::kGuestOkay);
  }
}

}  // namespace
}  // namespace tapring
