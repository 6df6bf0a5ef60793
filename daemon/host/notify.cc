// SPDX-License-Identifier: MIT
#include "daemon/host/notify.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <string>

#include "formats/printable.h"

namespace tapring {
namespace {

// Failure is ignored: the service manager may be gone, and that is no reason to stop serving disks.
void send(const std::string& state) {
  sd_notify(/*unset_environment=*/0, state.c_str());
}

}  // namespace

Notify::Notify() {
  uint64_t microseconds = 0;
  if (sd_watchdog_enabled(/*unset_environment=*/0, &microseconds) > 0) {
    interval_ = std::chrono::microseconds(microseconds / 2);
  }
}

void Notify::ready(std::string_view status) {
  send(fmt::format("READY=1\nSTATUS={}", printable(status)));
}

void Notify::status(std::string_view text) {
  send(fmt::format("STATUS={}", printable(text)));
}

void Notify::stopping() {
  if (stopping_) return;
  stopping_ = true;
  send("STOPPING=1");
}

void Notify::beat() {
  send("WATCHDOG=1");
}

}  // namespace tapring
