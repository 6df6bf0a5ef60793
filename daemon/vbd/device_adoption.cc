// SPDX-License-Identifier: MIT
// A device that goes from xen-blkback to us and back while its guest uses it (Linux,
// drivers/block/xen-blkback/xenbus.c: xen_blkbk_remove, connect_ring). The rings stay as they are:
// whoever serves them answers all that was taken, and the other begins at the response index.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "daemon/vbd/device.h"

namespace tapring {
namespace {

// The driver may have I/O at the storage when it lets go of a device: until that is done its event
// channels cannot be bound. Half a minute in all.
constexpr std::chrono::milliseconds kPauseBeforeBinding(20);
constexpr unsigned kMostBindings = 1500;

constexpr std::chrono::seconds kUnbindPatience(10);  // as long as libxl waits for a backend

// As long as libxl waits for a backend; a guest that does not answer must not turn off what other
// disks may have.
constexpr std::chrono::seconds kConnectPatience(10);

bool is_raw(const DiskSpec& spec) { return spec.format == "aio" || spec.format == "raw"; }

}  // namespace

std::string Device::adopt() {
  if (claim_ == Claim::ours) return "it is tapringd's already";
  if (claim_ != Claim::kernels || handover_ != Handover::none) return "it is not xen-blkback's";
  last_ = node_.read_state(spec_);
  if (last_.backend != XenbusState::connected) return "xen-blkback has not connected it";
  const auto parsed = parse_disk_spec(spec_.params);
  if (!parsed) return parsed.error();
  if (!context_.blkback.serves(name_.sysfs_name())) return "xen-blkback does not serve it";
  disk_spec_ = *parsed;
  handover_ = Handover::to_us;
  handover_failure_.clear();
  bindings_left_ = kMostBindings;
  reason_.clear();
  // What is wrong with the image is found while the kernel still serves the disk.
  open_image();
  return {};
}

void Device::take_from_kernel() {
  if (image_stage_ != ImageStage::open) return;
  if (last_.backend != XenbusState::connected) return stay_with_kernel("it is being detached");
  // The driver answers all that it took. Said before, as we may die after.
  node_.mark_drained();
  claim_ = Claim::examining;
  run_in_background(kBlkbackLine, [self = shared_from_this(), &context = context_,
                                   name = name_.sysfs_name()]() mutable {
    const Error error = context.blkback.unbind(name, false, kUnbindPatience);
    context.control.post([self = std::move(self), error] { self->taken_from_kernel(error); });
  });
}

void Device::taken_from_kernel(Error error) {
  claim_ = error ? Claim::kernels : Claim::ours;
  if (gone_) return vanish();
  if (error) return stay_with_kernel(error.message());
  log(spdlog::level::info, "taken from xen-blkback");
  advance();
}

/// For `error` it cannot be ours.
void Device::stay_with_kernel(const std::string& error) {
  if (claim_ == Claim::ours) return give_to_kernel(error);
  claim_ = Claim::kernels;
  fail_handover("not taken from xen-blkback: " + error);
  if (image_stage_ == ImageStage::opening) image_stage_ = ImageStage::none;
  release_image();
}

/// The driver is still about to end, or it does not work.
void Device::connect_again(const std::string& error) {
  if (bindings_left_-- == 0) return give_to_kernel(error);
  context_.timer.after(kPauseBeforeBinding, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) self->context_.control.post([self] { self->advance(); });
  });
}

std::string Device::release() {
  if (link_ != Link::connected || last_.backend != XenbusState::connected) {
    return "it is not connected";
  }
  std::string obstacle = why_not_the_kernels();
  if (obstacle.empty()) obstacle = have_pages_returned();
  if (!obstacle.empty()) return obstacle;
  handover_ = Handover::to_kernel;
  handover_failure_.clear();
  end_disk(Disk::Ending::drain);
  return {};
}

/// It takes a disk as its guest has it: what both agreed on with us must be what it would agree on.
std::string Device::why_not_the_kernels() const {
  if (name_.kind != "vbd" || !context_.blkback.loaded()) return "xen-blkback is not there for it";
  if (!is_raw(disk_spec_)) {
    return fmt::format("xen-blkback knows no {} images", disk_spec_.format);
  }
  if (!node_.has_physical_device()) {
    return "no loop device was made for it, as the disk line has a script of its own";
  }
  const Blkback::Limits limits = context_.blkback.limits();
  if (rings_.queues.size() > limits.max_queues) {
    return fmt::format("it has {} rings, and xen-blkback takes {} (write more to "
                       "/sys/module/xen_blkback/parameters/max_queues)",
                       rings_.queues.size(), limits.max_queues);
  }
  const auto order = std::bit_width(rings_.queues.front().ring_refs.size()) - 1;
  if (static_cast<uint32_t>(order) > limits.max_ring_order) {
    return fmt::format("its rings have {} pages, and xen-blkback takes {} (write more to "
                       "/sys/module/xen_blkback/parameters/max_ring_page_order)",
                       1U << order, 1U << limits.max_ring_order);
  }
  return {};
}

/// xen-blkback keeps the pages of a guest that is able to leave them mapped, though this one agreed
/// with us to have them back after each request. Its parameter says otherwise until the disk is
/// connected.
std::string Device::have_pages_returned() {
  const bool would_keep =
      context_.blkback.limits().persistent_grants && node_.keeps_grants(spec_);
  if (!would_keep || offered_.persistent_grants) return {};
  pages_returned_ = context_.blkback.without_persistent_grants();
  if (pages_returned_) return {};
  return "its guest takes its pages back after each request, and xen-blkback would keep them "
         "(let the service write there: ReadWritePaths=/sys/module/xen_blkback/parameters; or: "
         "echo N >/sys/module/xen_blkback/parameters/feature_persistent)";
}

/// It reads its parameters until it connects the disk.
void Device::watch_kernel_connect() {
  if (!pages_returned_) return;
  context_.timer.after(kConnectPatience, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) self->context_.control.post([self] { self->pages_returned_.reset(); });
  });
}

/// After the last request was answered.
void Device::drained_for_kernel() {
  if (disk_->left_in_order()) {
    node_.mark_drained();
    return give_to_kernel({});
  }
  fail_handover("not released: requests could not be answered, or data was lost");
  advance();
}

/// With `error` because it does not work with us.
void Device::give_to_kernel(const std::string& error) {
  claim_ = Claim::examining;
  handover_ = Handover::to_kernel;
  image_stage_ = ImageStage::none;
  if (!images_.empty()) close_in_background(std::move(images_), [] {});
  run_in_background(kBlkbackLine, [self = shared_from_this(), &context = context_, error,
                                   name = name_.sysfs_name()]() mutable {
    const Error failure = context.blkback.bind(name);
    context.control.post([self = std::move(self), failure, error] {
      self->given_to_kernel(failure, error);
    });
  });
}

/// For `error` the disk stays ours.
void Device::keep_from_kernel(const std::string& error) {
  claim_ = Claim::ours;
  fail_handover("not given to xen-blkback: " + error);
  advance();
}

void Device::given_to_kernel(Error failure, const std::string& error) {
  if (failure && !gone_) return keep_from_kernel(failure.message());
  handover_ = Handover::none;
  claim_ = Claim::kernels;
  if (gone_) return vanish();
  log(spdlog::level::info, "given to xen-blkback");
  if (error.empty()) {
    reason_ = "released by tapring";
  } else {
    fail_handover("not taken from xen-blkback: " + error);
  }
  watch_kernel_connect();
  node_.end_service();
  context_.journals.remove(name_.sysfs_name());
  let_witnesses_go();
}

/// Whoever serves the disk goes on.
void Device::fail_handover(std::string reason) {
  handover_ = Handover::none;
  pages_returned_.reset();
  handover_failure_ = std::move(reason);
  log(spdlog::level::err, "{}", handover_failure_);
}

}  // namespace tapring
