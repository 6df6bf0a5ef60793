// SPDX-License-Identifier: MIT
#include "daemon/vbd/blkback_handover.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <bit>
#include <chrono>
#include <system_error>
#include <utility>

namespace tapring {
namespace {

constexpr const char* kBlkbackLine = "xen-blkback";

// The driver may have I/O at the storage when it lets go of a device: until that is done its event
// channels cannot be bound. Half a minute in all.
constexpr std::chrono::milliseconds kPauseBeforeConnecting(20);
constexpr unsigned kMostAttempts = 1500;

constexpr std::chrono::seconds kUnbindPatience(10);  // as long as libxl waits for a backend

// For so long persistent grants are turned off, at most: as long as libxl waits for a backend.
// Other disks may have them, and this guest may not answer.
constexpr std::chrono::seconds kConnectPatience(10);

bool is_raw(const DiskSpec& spec) {
  return spec.format == "aio" || spec.format == "raw";
}

}  // namespace

void BlkbackHandover::take() {
  stage_ = Stage::opening;
  failure_.clear();
  attempts_left_ = kMostAttempts;
  image_.open(false);
}

void BlkbackHandover::proceed(const VbdState& now) {
  const bool is_connected = now.backend == XenbusState::connected;
  if (now.backend >= XenbusState::connected) pages_returned_.reset();  // the parameters were read
  if (stage_ != Stage::opening) return;
  if (image_.is_closed()) image_.open(false);  // it was still being closed when take() was called
  if (!image_.is_open()) return;
  return is_connected ? unbind() : cannot_take("it is being detached");
}

void BlkbackHandover::unbind() {
  // The driver answers all that it took. Written before it does, as we may die in between.
  device_.node.mark_drained();
  stage_ = Stage::unbinding;
  try {
    device_.tasks.run(
        kBlkbackLine,
        [&blkback = device_.context.blkback, name = device_.name.sysfs_name()] {
          return blkback.unbind(name, false, kUnbindPatience);
        },
        [this](Error error) { unbind_ended(error ? error.message() : ""); });
  } catch (const std::system_error& error) {
    unbind_ended(error.what());
  }
}

void BlkbackHandover::unbind_ended(const std::string& error) {
  stage_ = error.empty() ? Stage::connecting : Stage::opening;
  if (!error.empty()) return cannot_take(error);
  device_.log(spdlog::level::info, "taken from xen-blkback");
  callbacks_.taken();
}

void BlkbackHandover::connect_failed(const std::string& error) {
  if (attempts_left_-- == 0) return cannot_take(error);
  device_.tasks.after(kPauseBeforeConnecting, [this] { callbacks_.connect_again(); });
}

void BlkbackHandover::cannot_take(const std::string& error) {
  if (stage_ == Stage::connecting) {
    bind(error);
  } else {
    fail("not taken from xen-blkback: " + error);
  }
  image_.release();
}

std::string BlkbackHandover::give() {
  std::string why_not = obstacle();
  if (why_not.empty()) why_not = have_pages_returned();
  if (!why_not.empty()) return why_not;
  stage_ = Stage::draining;
  failure_.clear();
  connection_.end(Disk::Ending::drain);
  return {};
}

void BlkbackHandover::disk_ended() {
  if (connection_.disk()->left_in_order()) {
    device_.node.mark_drained();
    return bind({});
  }
  fail("not released: requests could not be answered, or data was lost");
  callbacks_.failed();
}

/// The driver takes the disk over as it is: what the guest negotiated with us must be within what
/// the driver would have agreed to.
std::string BlkbackHandover::obstacle() const {
  const Blkback& blkback = device_.context.blkback;
  if (device_.name.kind != "vbd" || !blkback.loaded()) return "xen-blkback is not there for it";
  if (!is_raw(identity_.disk)) {
    return fmt::format("xen-blkback knows no {} images", identity_.disk.format);
  }
  if (!device_.node.has_physical_device()) {
    return "no loop device was made for it, as the disk line has a script of its own";
  }
  const Blkback::Limits limits = blkback.limits();
  const auto& queues = connection_.rings().queues;
  if (queues.size() > limits.max_queues) {
    return fmt::format(
        "it has {} rings, and xen-blkback takes {} (write more to "
        "/sys/module/xen_blkback/parameters/max_queues)",
        queues.size(), limits.max_queues);
  }
  const auto order = std::bit_width(queues.front().ring_refs.size()) - 1;
  if (static_cast<uint32_t>(order) > limits.max_ring_order) {
    return fmt::format(
        "its rings have {} pages, and xen-blkback takes {} (write more to "
        "/sys/module/xen_blkback/parameters/max_ring_page_order)",
        1U << order, 1U << limits.max_ring_order);
  }
  return {};
}

/// xen-blkback uses persistent grants with every guest that is able to, also with one that agreed
/// with us not to. So its parameter is turned off until it has connected the disk.
std::string BlkbackHandover::have_pages_returned() {
  const Blkback& blkback = device_.context.blkback;
  const bool would_keep =
      blkback.limits().persistent_grants && device_.node.keeps_grants(identity_.spec);
  if (!would_keep || connection_.offered().persistent_grants) return {};
  pages_returned_ = blkback.without_persistent_grants();
  if (pages_returned_) return {};
  return "its guest takes its pages back after each request, and xen-blkback would keep them "
         "(let the service write there: ReadWritePaths=/sys/module/xen_blkback/parameters; or: "
         "echo N >/sys/module/xen_blkback/parameters/feature_persistent)";
}

void BlkbackHandover::bind(std::string why_back) {
  stage_ = Stage::binding;
  why_back_ = std::move(why_back);
  try {
    device_.tasks.run(
        kBlkbackLine,
        [&blkback = device_.context.blkback, name = device_.name.sysfs_name()] {
          return blkback.bind(name);
        },
        [this](Error error) { bind_ended(error ? error.message() : ""); });
  } catch (const std::system_error& error) {
    bind_ended(error.what());
  }
}

void BlkbackHandover::bind_ended(const std::string& error) {
  if (!error.empty()) {
    fail("not given to xen-blkback: " + error);
    return callbacks_.failed();
  }
  stage_ = Stage::none;
  device_.log(spdlog::level::info, "given to xen-blkback");
  if (!why_back_.empty()) fail("not taken from xen-blkback: " + why_back_);
  // The driver reads its parameters until it connects the disk.
  if (pages_returned_) {
    device_.tasks.after(kConnectPatience, [this] { pages_returned_.reset(); });
  }
  callbacks_.given(why_back_.empty() ? "released by tapring" : "");
}

void BlkbackHandover::fail(std::string reason) {
  stage_ = Stage::none;
  pages_returned_.reset();
  failure_ = std::move(reason);
  device_.log(spdlog::level::err, "{}", failure_);
}

}  // namespace tapring
