// SPDX-License-Identifier: MIT
// A whole disk served to a guest that the input makes up: its requests, what it writes into its
// ring and its pages at what time, what it takes back, and how the storage fares.
#include "daemon/datapath/queue.h"

#include <fuzzer/FuzzedDataProvider.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/datapath/disk.h"
#include "formats/format.h"
#include "tests/fuzz/memory_file.h"
#include "tests/sim/event_channel.h"
#include "tests/sim/front_ring.h"
#include "tests/sim/grants.h"
#include "tests/sim/loop.h"
#include "tests/sim/machine.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace {

using tapring::Disk;
using tapring::DomainId;
using tapring::GrantRef;
using tapring::kPageBytes;
using tapring::sim::Access;
using tapring::sim::Frame;
using tapring::sim::FrontRequest;
using tapring::sim::SimDomain;

constexpr DomainId kBackend = 0;
constexpr DomainId kGuest = 1;
constexpr DomainId kOther = 2;
constexpr std::size_t kGuestPages = 64;
constexpr std::size_t kImageBytes = 65536;
constexpr std::size_t kMostImageBytes = 4 * kImageBytes;
constexpr uint32_t kMostPersistent = 4;  ///< fewer than the guest has pages
constexpr std::size_t kActions = 200;
constexpr std::chrono::seconds kPatience(60);

/// The guest's pages for data and lists of segments. Their references are the first ones, in this
/// order from 8 on, so that inputs keep their meaning.
constexpr std::size_t kWritablePages = 8;
constexpr std::size_t kReadOnlyPages = 4;
constexpr std::size_t kForeignPages = 1;  ///< granted to another domain than the backend's
constexpr std::size_t kSecretPages = 1;   ///< granted to nobody
constexpr std::size_t kBurntRefs = 32;
constexpr std::size_t kPages = kWritablePages + kReadOnlyPages + kForeignPages + kSecretPages;

class World {
 public:
  explicit World(FuzzedDataProvider& input)
      : input_(input),
        guest_(machine_.create_domain(kGuest, kGuestPages)),
        other_(machine_.create_domain(kOther, 1)),
        pages_(guest_.allocate(kPages)) {
    other_.grant(kBackend, other_.allocate(1), Access::read_write);
    for (Frame page = 0; page < kPages - kSecretPages; ++page) {
      refs_.push_back(guest_.grant(page < kWritablePages + kReadOnlyPages ? kBackend : kOther,
                                   pages_ + page,
                                   page < kWritablePages ? Access::read_write : Access::read_only));
    }
    forbidden_ = guest_.memory(pages_ + kWritablePages, kPages - kWritablePages);
    make_ring();
    connect();
  }

  void run() {
    for (std::size_t i = 0; i < kActions && input_.remaining_bytes() > 0; ++i) act();
    if (input_.ConsumeBool()) settle();
    end();
    check_bystanders();
  }

 private:
  void make_ring() {
    // Away from the references that requests are made of.
    for (Frame page = 0; page < kBurntRefs; ++page) {
      guest_.revoke(guest_.grant(kBackend, pages_, Access::read_only));
    }
    const std::size_t count = std::size_t{1} << input_.ConsumeIntegralInRange<unsigned>(0, 2);
    ring_frame_ = guest_.allocate(count);
    for (Frame page = 0; page < count; ++page) {
      setup_.ring_refs.push_back(guest_.grant(kBackend, ring_frame_ + page, Access::read_write));
    }
    const auto flags = input_.ConsumeIntegral<uint8_t>();
    abi_ = flags & 1U ? tapring::Abi::x86_32 : tapring::Abi::x86_64;
    persistent_ = (flags & 2U) != 0;
    ring_.emplace(guest_.memory(ring_frame_, count), abi_);
    event_ = machine_.events().allocate_unbound(kGuest, kBackend, [] {});
    setup_.event_channel = event_.port;
  }

  void connect() {
    tapring::DiskOptions options;
    options.name = "1/xvda";
    options.domain = kGuest;
    options.rings.abi = abi_;
    options.rings.persistent_grants = persistent_;
    options.max_persistent_grants = kMostPersistent;
    options.rings.queues.push_back(setup_);
    if (input_.ConsumeBool()) {
      // Two queues on one ring: whoever comes first takes a request.
      twin_ = machine_.events().allocate_unbound(kGuest, kBackend, [] {});
      options.rings.queues.push_back({setup_.ring_refs, twin_->port});
      in_its_right_mind_ = false;
    }
    read_only_ = input_.ConsumeBool();
    if (input_.ConsumeBool()) storage_.behaviour(file_.path()).block_bytes = 4096;
    tapring::ImageOptions image_options;
    image_options.path = file_.path();
    image_options.read_only = read_only_;
    auto image = tapring::find_format("raw")->open(image_options);
    options.geometry = image->geometry();
    if (read_only_) options.geometry.discard_granularity = 0;
    loop_.post([this, &image, &options] {
      disk_ = std::make_shared<Disk>(worker_, std::move(image), options, stats_);
      disk_->start();
    });
    [[maybe_unused]] const bool made = world_.run_until([this] { return disk_ != nullptr; });
    assert(made);
  }

  void act() {
    switch (input_.ConsumeIntegralInRange<unsigned>(0, 10)) {
      case 0:
        put_bytes();
        break;
      case 1:
        put_request();
        break;
      case 2:
        push();
        break;
      case 3:
        write_page();
        break;
      case 4:
        let_time_pass();
        break;
      case 5:
        write_ring();
        break;
      case 6:
        revoke();
        break;
      case 7:
        storage_.behaviour(file_.path()).error_probability = 0.5;
        break;
      case 8:
        settle();
        break;
      case 9:
        storage_.hang(file_.path());
        break;
      case 10:
        grow();
        break;
    }
    read_responses();
  }

  void put_bytes() {
    const std::vector<std::byte> bytes =
        input_.ConsumeBytes<std::byte>(tapring::layout_of(abi_).entry_bytes);
    put({}, bytes);
  }

  void put_request() {
    FrontRequest request;
    request.operation = input_.ConsumeIntegral<uint8_t>() % 8;
    request.inner_operation = input_.ConsumeIntegral<uint8_t>() % 8;
    request.segment_count = input_.ConsumeIntegral<uint8_t>() % 20;
    request.id = input_.ConsumeIntegral<uint8_t>();
    request.sector = input_.ConsumeIntegral<uint8_t>();
    for (auto& segment : request.segments) {
      const auto bits = input_.ConsumeIntegral<uint16_t>();
      segment.gref = 8 + bits % 32;
      segment.first_sect = static_cast<uint8_t>(bits >> 8U) & 7U;
      segment.last_sect = static_cast<uint8_t>(bits >> 12U);
    }
    request.indirect_refs[0] = request.segments[0].gref;
    request.discard_sectors = input_.ConsumeIntegral<uint8_t>();
    put(request, {});
  }

  /// `bytes` go over the beginning of what `request` is.
  void put(const FrontRequest& request, const std::vector<std::byte>& bytes) {
    if (ring_->in_flight() >= ring_->size()) in_its_right_mind_ = false;
    const std::size_t entry_bytes = tapring::layout_of(abi_).entry_bytes;
    const std::size_t slot = requests_++ & (ring_->size() - 1);
    const auto entry =
        ring_memory().subspan(tapring::SharedRingLayout::entries + slot * entry_bytes, entry_bytes);
    ring_->put(request);
    std::ranges::copy(bytes, entry.begin());
    look_for_ring(entry);
    const tapring::Request seen = tapring::decode_request(abi_, entry);
    ++unanswered_[{seen.id, seen.operation}];
  }

  void push() {
    ring_->push();
    machine_.events().send(event_);
    if (twin_) machine_.events().send(*twin_);
  }

  void write_page() {
    const auto page = input_.ConsumeIntegralInRange<Frame>(0, kWritablePages - 1);
    const auto offset = input_.ConsumeIntegralInRange<std::size_t>(0, kPageBytes - 1);
    const std::vector<std::byte> bytes = input_.ConsumeBytes<std::byte>(
        std::min<std::size_t>(input_.ConsumeIntegral<uint8_t>(), kPageBytes - offset));
    const std::span<std::byte> memory = guest_.memory(pages_ + page, 1);
    std::ranges::copy(bytes, memory.subspan(offset).begin());
    look_for_ring(memory);
  }

  /// A guest may have its disk's data read into its own ring, and be none the wiser.
  void look_for_ring(std::span<const std::byte> segments) {
    for (std::size_t offset = 0; offset + sizeof(GrantRef) <= segments.size(); offset += 4) {
      GrantRef ref;
      std::memcpy(&ref, segments.subspan(offset).data(), sizeof ref);
      if (ref >= setup_.ring_refs.front() && ref <= setup_.ring_refs.back()) {
        in_its_right_mind_ = false;
      }
    }
  }

  void let_time_pass() {
    world_.run_for(std::chrono::microseconds(input_.ConsumeIntegral<uint8_t>() * 4));
  }

  void write_ring() {
    in_its_right_mind_ = false;
    const auto offset = input_.ConsumeIntegralInRange<std::size_t>(0, ring_memory().size() - 1);
    const std::vector<std::byte> bytes = input_.ConsumeBytes<std::byte>(std::min<std::size_t>(
        input_.ConsumeIntegralInRange<std::size_t>(1, 16), ring_memory().size() - offset));
    std::ranges::copy(bytes, ring_memory().subspan(offset).begin());
    machine_.events().send(event_);
  }

  void revoke() {
    if (refs_.empty()) return;
    const std::size_t index = input_.ConsumeIntegral<uint8_t>() % refs_.size();
    guest_.revoke(refs_[index]);
    refs_.erase(refs_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void grow() {
    if (image_bytes_ < kMostImageBytes) image_bytes_ += tapring::kSectorBytes;
    file_.resize(image_bytes_);
    loop_.post([disk = disk_] { disk->measure([](const tapring::Result<uint64_t>&) {}); });
  }

  /// Until everything that was pushed is answered.
  void settle() {
    storage_.release(file_.path());
    push();
    [[maybe_unused]] const bool idle = world_.run_until_idle(kPatience);
    assert(idle);
    read_responses();
    assert(!in_its_right_mind_ || unanswered_.empty());
    assert(stats_->in_flight.get() == 0);
  }

  void read_responses() {
    if (!in_its_right_mind_) return;
    while (const auto response = ring_->take()) {
      assert(response->status <= 0 && response->status >= -2);
      const auto found = unanswered_.find({response->id, response->operation});
      assert(found != unanswered_.end());
      if (--found->second == 0) unanswered_.erase(found);
    }
    assert(!ring_->overflowed());
  }

  void end() {
    const Disk::Ending ending = input_.ConsumeBool() ? Disk::Ending::drain : Disk::Ending::abandon;
    bool ended = false;
    loop_.post([&] { std::exchange(disk_, nullptr)->end(ending, [&ended] { ended = true; }); });
    world_.run_for(std::chrono::microseconds(input_.ConsumeIntegral<uint8_t>()));
    storage_.release(file_.path());
    world_.run_until_idle(kPatience);
    assert(ended);
    assert(machine_.mappings() == 0 && events_.bound() == 0 && storage_.open_files() == 0);
    read_responses();
  }

  /// What the guest did not let the backend write is as it was.
  void check_bystanders() const {
    const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
    assert(std::ranges::all_of(forbidden_, is_zero));
    assert(std::ranges::all_of(other_.memory(0, 1), is_zero));
    const std::vector<std::byte> image = file_.contents();
    assert(image.size() == image_bytes_);
    assert(!read_only_ || std::ranges::all_of(image, is_zero));
  }

  std::span<std::byte> ring_memory() const {
    return guest_.memory(ring_frame_, setup_.ring_refs.size());
  }

  FuzzedDataProvider& input_;
  tapring::fuzz::MemoryFile file_{std::vector<std::byte>(kImageBytes)};
  tapring::sim::SimWorld world_{1};
  tapring::sim::SimStorage storage_{world_};
  tapring::sim::SimMachine machine_{world_};
  tapring::sim::SimLoop loop_{world_, storage_};
  tapring::sim::SimGrants grants_{machine_, kBackend};
  tapring::sim::SimEventChannel events_{loop_, machine_, kBackend};
  tapring::Worker worker_{loop_, grants_, events_, tapring::BufferPool::kMaxBufferBytes};
  SimDomain& guest_;
  SimDomain& other_;
  Frame pages_;
  std::vector<GrantRef> refs_;
  std::span<std::byte> forbidden_;
  Frame ring_frame_ = 0;
  tapring::Abi abi_ = tapring::Abi::x86_64;
  std::optional<tapring::sim::FrontRing> ring_;
  tapring::sim::EventEnd event_{};
  std::optional<tapring::sim::EventEnd> twin_;
  tapring::QueueSetup setup_;
  bool persistent_ = false;
  bool read_only_ = false;
  std::size_t image_bytes_ = kImageBytes;
  std::shared_ptr<tapring::DiskStats> stats_ = std::make_shared<tapring::DiskStats>();
  std::shared_ptr<Disk> disk_;

  /// False once the guest broke the rules of the ring: then nothing is promised to it.
  bool in_its_right_mind_ = true;
  std::size_t requests_ = 0;
  /// How many requests of this id and operation wait.
  std::map<std::pair<uint64_t, uint8_t>, std::size_t> unanswered_;
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_level(spdlog::level::off);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  World(input).run();
  return 0;
}
