// SPDX-License-Identifier: MIT
// What a Device says of itself.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "daemon/vbd/device.h"
#include "formats/printable.h"

namespace tapring {

DiskReport Device::report() const {
  DiskReport report;
  report.disk = escaped(label());
  report.domain = name_.domain;
  report.device = name_.device;
  report.kind = name_.kind;
  report.vdev = escaped(spec_.vdev);
  report.mode = spec_.mode;
  report.format = disk_spec_.format;
  report.path = escaped(disk_spec_.path.empty() ? spec_.params : disk_spec_.path);
  report.state = state_name();
  report.reason = reason();
  report.backend_state = static_cast<uint32_t>(last_.backend);
  report.frontend_state = static_cast<uint32_t>(last_.frontend);
  report.notices = notices_;
  report.on_no_space = on_error_name(policy_.on_no_space);
  report.on_io_error = on_error_name(policy_.on_io_error);
  report.pause_limit_seconds = policy_.pause_limit_seconds;
  if (image_checked_ || image_stage_ == ImageStage::open || link_ != Link::none) {
    report.size_bytes = geometry_.size_bytes;
  }
  if (link_ != Link::none) {
    report.queues = static_cast<uint32_t>(rings_.queues.size());
    report.ring_pages = static_cast<uint32_t>(rings_.queues.front().ring_refs.size());
    report.protocol = rings_.protocol;
    report.workers = disk_->workers();
    report.counters = disk_->counters();
    report.counters.held = pause_->held();
    report.counters.pauses = pause_->pauses();
    report.counters.retries = pause_->retries();
    report.counters.given_up = pause_->given_up();
    report.last_error = last_error();
    std::ranges::copy(faults_->warnings(), std::back_inserter(report.notices));
  }
  if (is_paused()) {
    report.paused_for = paused_for();
    report.paused_since = std::chrono::system_clock::to_time_t(paused_since_);
  }
  return report;
}

std::string Device::state_name() const {
  if (handover_ != Handover::none) return handover_ == Handover::to_us ? "adopting" : "releasing";
  switch (claim_) {
    case Claim::unknown:
    case Claim::examining:
    case Claim::examined:
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
  if (has_failed()) return "failed";
  if (is_paused()) return "paused";
  if (link_ == Link::ending || last_.backend == XenbusState::closing) return "closing";
  if (image_stage_ == ImageStage::unwanted) return "closing";
  if (link_ == Link::connected) return has_errors() ? "errors" : "connected";
  if (image_stage_ == ImageStage::opening && locked_by_.empty()) return "opening";
  return last_.backend == XenbusState::closed ? "closed" : "waiting";
}

std::string Device::paused_for() const {
  std::vector<const char*> faults;
  for (const StorageFault fault : {StorageFault::no_space, StorageFault::io_error}) {
    if (pause_->held(fault) > 0) faults.push_back(fault_name(fault));
  }
  return fmt::format("{}", fmt::join(faults, " and "));
}

std::string Device::paused_reason() const {
  const std::string& path = disk_spec_.path;
  std::string remedy;
  if (pause_->held(StorageFault::no_space) == 0) {
    remedy = fmt::format(
        "mend the storage (journalctl -k), or have the guest told "
        "(tapring policy {} --on-io-error report)",
        label());
  } else if (block_device_) {
    remedy =
        fmt::format("make room in what {0} lies on (lsblk -s {0}; lvs shows thin pools)", path);
  } else {
    remedy = fmt::format("make room where the image is (df {})", path);
  }
  return fmt::format("{} request(s) wait; {}", pause_->held(), remedy);
}

std::string Device::reason() const {
  if (!reason_.empty()) return reason_;
  const bool is_over = claim_ == Claim::ours && link_ == Link::none && frontend_dead_;
  if (is_over) return "its domain is gone; the toolstack has yet to remove the disk";
  if (disk_ && disk_->has_broken_ring()) {
    return "the guest wrote impossible ring indices: stopped until it reconnects";
  }
  if (has_failed()) return faults_->failure();
  if (is_paused()) return paused_reason();
  if (link_ == Link::connected && has_errors()) return errors_reason();
  if (!handover_failure_.empty()) return handover_failure_;
  if (claim_ != Claim::ours || link_ != Link::none) return {};
  if (last_.backend == XenbusState::closed && last_.frontend == XenbusState::missing) {
    return "its guest has no such disk any more; the toolstack has yet to remove it";
  }
  if (!locked_by_.empty()) return locked_by_;
  if (image_stage_ == ImageStage::opening || opening_given_up_) {
    return "its storage has not answered yet";
  }
  if (!image_checked_ && image_stage_ != ImageStage::open) return {};
  if (last_.frontend < XenbusState::initialised) return "waiting for the guest's driver";
  return fmt::format("waiting for the hotplug script {}", spec_.script);
}

}  // namespace tapring
