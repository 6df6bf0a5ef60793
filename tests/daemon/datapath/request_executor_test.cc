// SPDX-License-Identifier: MIT
// Requests without a ring: what becomes of a guest's pages and of its disk.
#include "daemon/datapath/request_executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "daemon/vbd/open_disk.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/sim/event_channel.h"
#include "tests/sim/grants.h"
#include "tests/sim/loop.h"
#include "tests/sim/machine.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring {
namespace {

class RequestExecutorTest : public testing::Test {
 protected:
  static constexpr DomainId kBackend = 0;
  static constexpr DomainId kGuest = 1;
  static constexpr uint64_t kSectors = 2048;

  RequestExecutorTest() {
    std::ofstream(image_).close();
    std::filesystem::resize_file(image_, kSectors * kSectorBytes);
    auto image = open_disk({{"raw", image_}, "w", Purpose::service, "vbd-1-51712"}, {});
    const Geometry geometry = image->geometry();
    volume_.emplace(loop_, std::make_shared<SharedImage>(image->serve_on(loop_)), geometry,
                    faults_);
    context_.emplace(QueueContext{worker_, *volume_, buffers_, load_, requests_, held_, stats_,
                                  *faults_, kGuest, "1/xvda"});
    context_->max_indirect_segments = 2;
    executor_.emplace(*context_);
  }

  ~RequestExecutorTest() override {
    loop_.post([this] { close(); });
    world_.run_until_idle();
  }

  Detached close() { co_await volume_->close(); }

  Detached run(Request request, std::optional<Outcome>& outcome) {
    const TaskGroup::Member member(requests_);
    outcome = co_await executor_->run(request);
  }

  /// A request of whole pages; those of a direct one are in it.
  static Request request(BlkifOp operation, uint64_t sector,
                         std::initializer_list<GrantRef> pages) {
    Request request{};
    request.operation = static_cast<uint8_t>(operation);
    request.sector = sector;
    request.segment_count = static_cast<uint16_t>(pages.size());
    std::ranges::transform(pages, request.segments.begin(), [](GrantRef page) {
      return Segment{page, 0, kSectorsPerPage - 1};
    });
    return request;
  }

  Outcome outcome_of(const Request& request) {
    std::optional<Outcome> outcome;
    loop_.post([&] { run(request, outcome); });
    world_.run_until_idle();
    return outcome.value();
  }

  std::span<std::byte> bytes(sim::Frame frame) { return guest_.memory(frame, 1); }
  GrantRef granted(sim::Frame frame, sim::Access access = sim::Access::read_write) {
    return guest_.grant(kBackend, frame, access);
  }

  TemporaryDirectory directory_;
  std::string image_ = directory_.path() / "a.img";
  sim::SimWorld world_{1};
  sim::SimStorage storage_{world_};
  sim::SimMachine machine_{world_};
  sim::SimLoop loop_{world_, storage_};
  sim::SimGrants grants_{machine_, kBackend};
  sim::SimEventChannel events_{loop_, machine_, kBackend};
  Worker worker_{loop_, grants_, events_, BufferPool::kMaxBufferBytes};
  sim::SimDomain& guest_ = machine_.create_domain(kGuest);
  BufferQuota buffers_{worker_.buffers()};
  StorageLoad load_{worker_.stalls(), buffers_};
  TaskGroup requests_{loop_};
  HeldRequests held_{loop_, std::make_shared<DiskPause>(kReportErrors)};
  DiskStats stats_;
  std::shared_ptr<DiskFaults> faults_ = std::make_shared<DiskFaults>();
  std::optional<Volume> volume_;
  std::optional<QueueContext> context_;
  std::optional<RequestExecutor> executor_;
};

TEST_F(RequestExecutorTest, WhatWasWrittenIsRead) {
  const sim::Frame from = guest_.allocate(1);
  const sim::Frame to = guest_.allocate(1);
  std::ranges::fill(bytes(from), std::byte{7});
  EXPECT_EQ(outcome_of(request(BlkifOp::write, 8, {granted(from)})), BlkifStatus::okay);
  EXPECT_EQ(outcome_of(request(BlkifOp::read, 8, {granted(to)})), BlkifStatus::okay);
  EXPECT_TRUE(std::ranges::equal(bytes(to), bytes(from)));
  EXPECT_EQ(stats_.writes.bytes.get(), kPageBytes);
  EXPECT_EQ(stats_.reads.bytes.get(), kPageBytes);
}

TEST_F(RequestExecutorTest, APageThatWasNotGrantedIsNoFaultOfTheStorage) {
  const GrantRef read_only = granted(guest_.allocate(1), sim::Access::read_only);
  EXPECT_EQ(outcome_of(request(BlkifOp::read, 0, {read_only})), BlkifStatus::error);
  EXPECT_FALSE(faults_->last());
}

TEST_F(RequestExecutorTest, WhatTheStorageFailsIsNoted) {
  storage_.behaviour(image_).fault = [](const sim::FileOperation& operation) {
    return operation.kind == sim::FileOperation::Kind::write ? system_error_code(EIO) : Error();
  };
  const GrantRef page = granted(guest_.allocate(1));
  EXPECT_EQ(outcome_of(request(BlkifOp::write, 16, {page})), BlkifStatus::error);
  ASSERT_TRUE(faults_->last());
  EXPECT_EQ(faults_->last()->offset, 16 * kSectorBytes);
}

TEST_F(RequestExecutorTest, AListOfMoreSegmentsThanOfferedIsNotRead) {
  Request indirect = request(BlkifOp::read, 0, {});
  indirect.indirect = true;
  indirect.segment_count = 3;
  indirect.indirect_ref = granted(guest_.allocate(1));
  EXPECT_EQ(outcome_of(indirect), BlkifStatus::error);
}

TEST_F(RequestExecutorTest, OnceDetachedNoPageOfTheGuestIsTouched) {
  const sim::Frame page = guest_.allocate(1);
  std::ranges::fill(bytes(page), std::byte{7});
  std::optional<Outcome> outcome;
  loop_.post([&] { run(request(BlkifOp::read, 0, {granted(page)}), outcome); });
  loop_.post([&] { executor_->detach(); });
  world_.run_until_idle();
  EXPECT_EQ(outcome.value(), BlkifStatus::error);
  EXPECT_EQ(bytes(page).front(), std::byte{7});
  EXPECT_FALSE(faults_->last());
}

}  // namespace
}  // namespace tapring
