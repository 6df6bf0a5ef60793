// SPDX-License-Identifier: MIT
// A disk in the simulated world and a guest without a driver: the test itself says every word on
// the ring.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "daemon/datapath/disk.h"
#include "daemon/vbd/open_disk.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/sim/event_channel.h"
#include "tests/sim/front_ring.h"
#include "tests/sim/grants.h"
#include "tests/sim/loop.h"
#include "tests/sim/machine.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace tapring {

class BareDisk : public testing::Test {
 protected:
  static constexpr DomainId kBackend = 0;
  static constexpr DomainId kGuest = 1;
  static constexpr uint64_t kSectors = 2048;
  static constexpr std::size_t kSegments = 256;

  explicit BareDisk(const std::string& mode = "w", bool secure_erase = false,
                    uint32_t max_indirect_segments = kIndirectSegments) {
    ring_ref_ = guest_.grant(kBackend, ring_frame_, sim::Access::read_write);
    event_ = machine_.events().allocate_unbound(kGuest, kBackend, [] {});
    std::ofstream(image_).close();
    std::filesystem::resize_file(image_, kSectors * kSectorBytes);
    DiskOptions options;
    options.name = "1/xvda";
    options.domain = kGuest;
    options.rings.queues.push_back({{ring_ref_}, event_.port});
    auto image = open_disk({{"raw", image_}, mode, Purpose::service, "vbd-1-51712"}, {});
    options.geometry = image->geometry();
    options.geometry.secure_erase = secure_erase;
    options.max_indirect_segments = max_indirect_segments;
    options.pause = pause_;
    disk_ = std::make_shared<Disk>(worker_, std::move(image), options, stats_);
    disk_->start();
  }

  ~BareDisk() override {
    if (disk_) end();
    EXPECT_EQ(machine_.mappings(), 0U);
  }

  void end() {
    bool ended = false;
    loop_.post([&] {
      std::exchange(disk_, nullptr)->end(Disk::Ending::drain, [&ended] { ended = true; });
    });
    EXPECT_TRUE(world_.run_until([&] { return ended; }));
  }

  /// A page of the guest that the backend may use so.
  GrantRef page(sim::Access access = sim::Access::read_write) {
    return guest_.grant(kBackend, guest_.allocate(1), access);
  }

  /// A whole page of `ref`.
  static sim::GuestSegment whole(GrantRef ref) { return {ref, 0, 7, 0}; }

  /// A request of one segment.
  static sim::FrontRequest request(uint8_t operation, uint64_t sector, sim::GuestSegment segment) {
    sim::FrontRequest request;
    request.operation = operation;
    request.sector = sector;
    request.segment_count = 1;
    request.segments[0] = segment;
    return request;
  }

  static sim::FrontRequest discard(uint64_t sector, uint64_t sectors) {
    sim::FrontRequest request;
    request.operation = sim::kGuestDiscard;
    request.sector = sector;
    request.discard_sectors = sectors;
    return request;
  }

  /// An indirect request of these segments.
  sim::FrontRequest indirect(uint8_t operation, uint64_t sector,
                             std::initializer_list<sim::GuestSegment> segments) {
    const sim::Frame list = guest_.allocate(1);
    std::ranges::copy(std::as_bytes(std::span(segments)), guest_.memory(list, 1).begin());
    sim::FrontRequest request;
    request.operation = sim::kGuestIndirect;
    request.inner_operation = operation;
    request.sector = sector;
    request.segment_count = static_cast<uint16_t>(segments.size());
    request.indirect_refs[0] = guest_.grant(kBackend, list, sim::Access::read_only);
    return request;
  }

  void send(const sim::FrontRequest& request) {
    ring_.put(request);
    ring_.push();
    machine_.events().send(event_);
  }

  std::optional<sim::GuestResponse> answer(const sim::FrontRequest& request) {
    send(request);
    std::optional<sim::GuestResponse> response;
    world_.run_until([&] { return (response = ring_.take()).has_value(); }, kPatience);
    return response;
  }

  /// The status of the answer; one that is no status if there is none.
  int status(const sim::FrontRequest& request) {
    const auto response = answer(request);
    return response ? response->status : 1;
  }

  uint64_t unsynced_writes() const { return storage_.unsynced_writes(image_); }

  static constexpr std::chrono::seconds kPatience{1};

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
  sim::Frame ring_frame_ = guest_.allocate(1);
  sim::FrontRing ring_{guest_.memory(ring_frame_, 1), Abi::x86_64};
  GrantRef ring_ref_ = 0;
  sim::EventEnd event_{};
  std::shared_ptr<DiskStats> stats_ = std::make_shared<DiskStats>();
  std::shared_ptr<DiskPause> pause_ = std::make_shared<DiskPause>(kReportErrors);
  std::shared_ptr<Disk> disk_;
};

class BareReadOnlyDisk : public BareDisk {
 protected:
  BareReadOnlyDisk() : BareDisk("r") {}
};

/// Whose guest was told that a request may have two pages.
class BareDiskOfTwoPages : public BareDisk {
 protected:
  BareDiskOfTwoPages() : BareDisk("w", false, 2) {}
};

/// On storage that says that it erases for ever.
class BareErasableDisk : public BareDisk {
 protected:
  BareErasableDisk() : BareDisk("w", true) {}
};

}  // namespace tapring
