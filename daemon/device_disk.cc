// SPDX-License-Identifier: MIT
// A device and its disk: connected, measured and ended on the disk's worker.
#include <spdlog/spdlog.h>

#include <utility>

#include "daemon/device.h"

namespace tapring {

void Device::attach(const DiskOptions& options) {
  link_ = Link::connecting;
  image_stage_ = ImageStage::none;
  worker_ = context_.workers.assign();
  stats_ = std::make_shared<DiskStats>();
  Worker& worker = context_.workers[worker_];
  worker.loop().post([self = shared_from_this(), &worker, &control = context_.control, options,
                      image = std::move(image_), stats = stats_]() mutable {
    std::shared_ptr<Disk> disk;
    std::string error;
    try {
      disk = std::make_shared<Disk>(worker, std::move(image), options, std::move(stats));
    } catch (const std::exception& failure) {
      error = failure.what();
    }
    control.post([self = std::move(self), disk = std::move(disk), error]() mutable {
      self->attached(std::move(disk), error);
    });
  });
}

void Device::attached(std::shared_ptr<Disk> disk, const std::string& error) {
  if (!disk) {
    link_ = Link::none;
    context_.workers.release(worker_);
    return gone_ ? vanish() : refuse(error);
  }
  link_ = Link::connected;
  disk_ = std::move(disk);
  if (shutting_down_) return end_disk(Disk::Ending::drain);
  if (gone_) return end_disk(Disk::Ending::abandon);
  const VbdState now = node_.read_state(spec_);
  const bool wanted = now.backend != XenbusState::missing && now.backend < XenbusState::closing;
  if (wanted && node_.connect(now.backend, spec_, geometry_, offered_)) {
    reason_.clear();
    log(spdlog::level::info, "connected: {}:{}, {} MiB, {}, {} queue(s) of {} page(s), {}",
        disk_spec_.format, disk_spec_.path, geometry_.size_bytes >> 20,
        geometry_.read_only ? "read-only" : "writable", rings_.queues.size(),
        rings_.queues.front().ring_refs.size(), rings_.protocol);
  }
  advance();
}

void Device::check_size() {
  if (link_ != Link::connected || measuring_) return;
  measuring_ = true;
  context_.workers[worker_].loop().post(
      [self = shared_from_this(), &control = context_.control, disk = disk_]() mutable {
        Disk& measured = *disk;
        // The device is let go of on the control thread only, so no copy of `self` stays here.
        measured.measure(
            [self = std::move(self), &control](const Result<uint64_t>& sectors) mutable {
              control.post([self = std::move(self), sectors] { self->measured(sectors); });
            });
      });
}

void Device::measured(const Result<uint64_t>& sectors) {
  measuring_ = false;
  if (!sectors || link_ != Link::connected) return;
  const uint64_t bytes = *sectors * kSectorBytes;
  if (bytes < geometry_.size_bytes) {
    log(spdlog::level::err,
        "{} is now {} bytes, less than the guest's disk of {}: I/O past its end fails; make it "
        "large again (truncate -s {} {})",
        disk_spec_.path, bytes, geometry_.size_bytes, geometry_.size_bytes, disk_spec_.path);
  }
  if (bytes <= geometry_.size_bytes || !node_.resize(*sectors)) return;
  log(spdlog::level::info, "grown from {} to {} bytes", geometry_.size_bytes, bytes);
  geometry_.size_bytes = bytes;
}

void Device::end_disk(Disk::Ending ending) {
  link_ = Link::ending;
  context_.workers[worker_].loop().post([self = shared_from_this(), &control = context_.control,
                                         disk = std::move(disk_), ending]() mutable {
    Disk& ended = *disk;
    ended.end(ending, [self = std::move(self), &control]() mutable {
      control.post([self = std::move(self)] { self->disk_ended(); });
    });
  });
}

void Device::disk_ended() {
  link_ = Link::none;
  context_.workers.release(worker_);
  if (shutting_down_) {
    node_.mark_drained();
    return;
  }
  return gone_ ? vanish() : advance();
}

}  // namespace tapring
