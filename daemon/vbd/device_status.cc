// SPDX-License-Identifier: MIT
#include "daemon/vbd/device_status.h"

#include <fmt/format.h>

#include "formats/printable.h"

namespace tapring {

DiskReport DeviceStatus::report() const {
  const auto& [vbd, spec, disk] = identity;
  DiskReport report;
  report.disk = escaped(label);
  report.domain = vbd.domain;
  report.device = vbd.device;
  report.kind = vbd.kind;
  report.vdev = escaped(spec.vdev);
  report.mode = spec.mode;
  report.format = disk.format;
  report.path = escaped(disk.path.empty() ? spec.params : disk.path);
  report.state = name();
  report.reason = explanation();
  report.backend_state = static_cast<uint32_t>(states.backend);
  report.frontend_state = static_cast<uint32_t>(states.frontend);
  report.notices = image.facts().notices;
  pause.add_to(report);
  const bool knows_size = image.is_checked() || image.is_open() || !connection.is_closed();
  if (knows_size) report.size_bytes = image.facts().geometry.size_bytes;
  if (!connection.is_closed()) connection.add_to(report);
  return report;
}

std::string DeviceStatus::name() const {
  if (handover.is_under_way()) return handover.is_to_us() ? "adopting" : "releasing";
  switch (owner) {
    case Owner::unknown:
      return "claiming";
    case Owner::blkback:
      return "kernel";
    case Owner::other:
      return "other";
    case Owner::refused:
      return "refused";
    case Owner::tapringd:
      break;
  }
  if (connection.is_connecting()) return "connecting";
  if (has_failed()) return "failed";
  if (pause.is_paused()) return "paused";
  if (connection.is_ending() || states.backend == XenbusState::closing) return "closing";
  if (image.is_cancelled()) return "closing";
  if (connection.is_connected()) return faults.has_errors() ? "errors" : "connected";
  if (image.is_opening() && image.lock_conflict().empty()) return "opening";
  return states.backend == XenbusState::closed ? "closed" : "waiting";
}

std::string DeviceStatus::explanation() const {
  if (!reason.empty()) return reason;
  const bool is_over = owner == Owner::tapringd && connection.is_closed() && frontend_dead;
  if (is_over) return "its domain is gone; the toolstack has yet to remove the disk";
  if (connection.disk() && connection.disk()->has_broken_ring()) {
    return "the guest wrote impossible ring indices: stopped until it reconnects";
  }
  if (has_failed()) return faults.failure();
  if (pause.is_paused()) return pause.reason();
  if (connection.is_connected() && faults.has_errors()) return faults.reason();
  if (!handover.failure().empty()) return handover.failure();
  const bool is_ours = owner == Owner::tapringd && !handover.is_moving();
  return is_ours && connection.is_closed() ? why_not_connected() : "";
}

std::string DeviceStatus::why_not_connected() const {
  if (states.backend == XenbusState::closed && states.frontend == XenbusState::missing) {
    return "its guest has no such disk any more; the toolstack has yet to remove it";
  }
  if (const std::string conflict = image.lock_conflict(); !conflict.empty()) return conflict;
  if (image.is_opening() || image.was_given_up()) return "its storage has not answered yet";
  if (!image.is_checked() && !image.is_open()) return {};
  if (states.frontend < XenbusState::initialised) return "waiting for the guest's driver";
  return fmt::format("waiting for the hotplug script {}", identity.spec.script);
}

}  // namespace tapring
