// SPDX-License-Identifier: MIT
// What systemd is told: sd_notify(3). Without systemd every call does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace tapring {

/// One per process. Its destructor tells systemd that the daemon stops.
class Notify {
 public:
  Notify();
  ~Notify() { stopping(); }
  Notify(const Notify&) = delete;
  Notify& operator=(const Notify&) = delete;

  /// The service is started; whoever is ordered after it may go on.
  void ready(std::string_view status);

  /// One line for `systemctl status`.
  void status(std::string_view text);

  /// Once; later calls do nothing.
  void stopping();

  /// How often beat() is to be called: half of what systemd allows. nullopt: no watchdog.
  std::optional<std::chrono::microseconds> watchdog_interval() const noexcept { return interval_; }

  /// Tells the watchdog that we live.
  void beat();

 private:
  std::optional<std::chrono::microseconds> interval_;
  bool stopping_ = false;
};

}  // namespace tapring
