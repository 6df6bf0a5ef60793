// SPDX-License-Identifier: MIT
// What a Device says of itself.
#include <fmt/format.h>

#include "daemon/device.h"

namespace tapring {

DiskReport Device::report() const {
  DiskReport report;
  report.disk = label();
  report.domain = name_.domain;
  report.device = name_.device;
  report.kind = name_.kind;
  report.vdev = spec_.vdev;
  report.mode = spec_.mode;
  report.format = disk_spec_.format;
  report.path = disk_spec_.path.empty() ? spec_.params : disk_spec_.path;
  report.state = state_name();
  report.reason = reason();
  report.backend_state = static_cast<uint32_t>(last_.backend);
  report.frontend_state = static_cast<uint32_t>(last_.frontend);
  report.notices = notices_;
  if (image_stage_ == ImageStage::open || link_ != Link::none) {
    report.size_bytes = geometry_.size_bytes;
  }
  if (link_ != Link::none) {
    report.queues = static_cast<uint32_t>(rings_.queues.size());
    report.ring_pages = static_cast<uint32_t>(rings_.queues.front().ring_refs.size());
    report.protocol = rings_.protocol;
    report.workers = disk_->workers();
    report.counters = disk_->counters();
  }
  return report;
}

std::string Device::state_name() const {
  switch (claim_) {
    case Claim::unknown:
    case Claim::examining:
      return "claiming";
    case Claim::kernels:
      return "kernel";
    case Claim::others:
      return "other";
    case Claim::refused:
      return "refused";
    case Claim::ours:
      break;
  }
  if (link_ == Link::connecting) return "connecting";
  if (link_ == Link::ending || last_.backend == XenbusState::closing) return "closing";
  if (image_stage_ == ImageStage::unwanted) return "closing";
  if (link_ == Link::connected) return "connected";
  if (image_stage_ == ImageStage::opening) return "opening";
  return last_.backend == XenbusState::closed ? "closed" : "waiting";
}

std::string Device::reason() const {
  if (!reason_.empty()) return reason_;
  if (disk_ && disk_->has_broken_ring()) {
    return "the guest wrote impossible ring indices: stopped until it reconnects";
  }
  if (claim_ != Claim::ours || link_ != Link::none) return {};
  if (image_stage_ == ImageStage::opening) return "its storage has not answered yet";
  if (image_stage_ != ImageStage::open) return {};
  if (last_.frontend < XenbusState::initialised) return "waiting for the guest's driver";
  return fmt::format("waiting for the hotplug script {}", spec_.script);
}

}  // namespace tapring
