// SPDX-License-Identifier: MIT
#include "daemon/vbd/blkback_handover.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <bit>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/vbd/storage_name.h"

namespace tapring {
namespace {

// The driver may have I/O at the storage when it lets go of a device: until that is done its event
// channels cannot be bound. Half a minute in all.
constexpr std::chrono::milliseconds kPauseBeforeConnecting(20);
constexpr unsigned kMostAttempts = 1500;

constexpr std::chrono::seconds kUnbindPatience(10);  // as long as libxl waits for a backend

// For so long persistent grants are turned off, at most: as long as libxl waits for a backend.
// Other disks may have them, and this guest may not answer.
constexpr std::chrono::seconds kConnectPatience(10);

constexpr const char* kNoDevice =
    "no loop device was made for it, as the disk line has a script of its own";

bool is_raw(const DiskSpec& spec) {
  return spec.format == "aio" || spec.format == "raw";
}

std::string device_missing(const std::string& number) {
  return number.empty() ? kNoDevice : fmt::format("its block device {} is gone", number);
}

/// Blocks as long as the storage does.
std::string compare_storage(const Blkback& blkback, const std::string& number,
                            const ServedFile& image) {
  const auto device = blkback.block_device(number);
  return device ? why_another_file(*device, image) : device_missing(number);
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
  if (!is_connected) return cannot_take("it is being detached");
  const std::string why_not = why_not_the_same();
  return why_not.empty() ? unbind() : cannot_take(why_not);
}

/// Of what can be told at once.
std::string BlkbackHandover::why_not_the_same() const {
  const uint64_t bytes = image_.facts().geometry.size_bytes;
  const uint64_t told = device_.node.told_bytes();
  if (bytes >= told) return {};
  return fmt::format(
      "{} is {} bytes, less than the disk of its guest (make it {} bytes long again)",
      identity_.disk.path, bytes, told);
}

void BlkbackHandover::unbind() {
  // The driver answers all that it took. Written before it does, as we may die in between.
  device_.node.mark_drained();
  stage_ = Stage::unbinding;
  try {
    device_.tasks.run(
        background_line(),
        [&blkback = device_.context.blkback, name = device_.name.sysfs_name(),
         number = device_.node.physical_device(), image = served_file()] {
          std::string why_not = compare_storage(blkback, number, image);
          if (!why_not.empty()) return why_not;
          const Error error = blkback.unbind(name, false, kUnbindPatience);
          return error ? error.message() : std::string();
        },
        [this](const std::string& error) { unbind_ended(error); });
  } catch (const std::system_error& error) {
    unbind_ended(error.what());
  }
}

void BlkbackHandover::unbind_ended(const std::string& error) {
  stage_ = error.empty() ? Stage::connecting : Stage::opening;
  if (!error.empty()) {
    cannot_take(error);
    return callbacks_.failed();  // the node may have gone meanwhile
  }
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
    image_.drop_witnesses();
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
  const std::string of_storage = storage_obstacle();
  return of_storage.empty() ? negotiation_obstacle() : of_storage;
}

/// One for each storage, as the files are compared there: one that hangs stops no other's disks.
std::string BlkbackHandover::background_line() const {
  return "xen-blkback " + storage_name(identity_.disk.path);
}

ServedFile BlkbackHandover::served_file() const {
  const std::vector<FileId>& files = image_.facts().files;
  return {identity_.disk.path, files.empty() ? FileId{} : files.front()};
}

/// A loop device keeps the file that it had, and the size, whatever we have served since.
std::string BlkbackHandover::storage_obstacle() const {
  const std::string number = device_.node.physical_device();
  const auto device = device_.context.blkback.block_device(number);
  if (!device) return device_missing(number);
  const std::string not_whole = why_not_whole(*device, served_file());
  return not_whole.empty() ? why_smaller(*device, image_.facts().geometry.size_bytes) : not_whole;
}

std::string BlkbackHandover::negotiation_obstacle() const {
  const Blkback& blkback = device_.context.blkback;
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
        background_line(),
        [&blkback = device_.context.blkback, name = device_.name.sysfs_name(),
         number = device_.node.physical_device(), image = served_file(),
         is_back = !why_back_.empty()] {
          // What was the driver's a moment ago goes back in any case: nobody else serves it.
          std::string why_not = is_back ? "" : compare_storage(blkback, number, image);
          if (!why_not.empty()) return why_not;
          const Error error = blkback.bind(name);
          return error ? error.message() : std::string();
        },
        [this](const std::string& error) { bind_ended(error); });
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
