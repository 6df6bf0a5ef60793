// SPDX-License-Identifier: MIT
// What becomes of a disk's requests that its storage fails: the policy that its node and the
// configuration state, and the pause that people are told of while requests are held.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/datapath/disk_pause.h"
#include "daemon/datapath/error_policy.h"
#include "daemon/datapath/multi_queue_disk.h"
#include "daemon/vbd/device_context.h"
#include "daemon/vbd/report.h"

namespace tapring {

class StoragePause {
 public:
  explicit StoragePause(const DeviceScope& device);
  StoragePause(const StoragePause&) = delete;
  StoragePause& operator=(const StoragePause&) = delete;

  /// A key of the policy was written, or may have been.
  void policy_wrote() noexcept { policy_wrote_ = true; }

  /// Reads the policy if it was written since it was read last.
  void refresh_policy();

  /// Writes these fields of the policy to xenstore, where the next tapringd finds them. Says why
  /// not, or nothing.
  std::string set_policy(const PolicyWords& words);

  /// Of a disk that is about to be connected: what its workers count held requests in. `path` of
  /// its image, and whether that is a block device, are for the remedies that people are told.
  std::shared_ptr<DiskPause> prepare(const std::string& path, bool block_device);

  /// That disk is connected.
  void begin(std::shared_ptr<MultiQueueDisk> disk);

  /// It is connected no more.
  void end();

  /// Tries the requests that are held. Says why not, or nothing.
  std::string resume();

  bool is_paused() const noexcept { return disk_ && counts_->held() > 0; }

  /// Why the disk is paused and what to do about it.
  std::string reason() const;

  void add_to(DiskReport& report) const;

  /// Of a disk that was prepared.
  void count(DiskCounters& counters) const;

 private:
  void read_policy();
  void paused();
  void watch_held(const std::shared_ptr<DiskPause>& counts);
  void log_end_of_pause();
  std::string faults() const;

  DeviceScope device_;
  ErrorPolicy policy_;
  bool policy_wrote_ = false;
  std::shared_ptr<DiskPause> counts_;     ///< of the last disk that was prepared, if any was
  std::shared_ptr<MultiQueueDisk> disk_;  ///< while it is connected
  std::string path_;
  bool block_device_ = false;
  bool pause_logged_ = false;     ///< the disk is paused, or was when it was looked at last
  uint64_t given_up_before_ = 0;  ///< that pause
  std::chrono::system_clock::time_point paused_since_;
};

}  // namespace tapring
