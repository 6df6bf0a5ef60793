// SPDX-License-Identifier: MIT
// What is logged and reported of a disk's failed requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/datapath/disk_faults.h"
#include "daemon/vbd/device_context.h"
#include "daemon/vbd/report.h"

namespace tapring {

class FaultLog {
 public:
  explicit FaultLog(const DeviceScope& device) : device_(device) {}
  FaultLog(const FaultLog&) = delete;
  FaultLog& operator=(const FaultLog&) = delete;

  /// Of a disk that is about to be connected: where its workers write down what fails. `path`: of
  /// its image. `loss`: writes of an earlier process that were lost, if any were.
  /// `lost_writes`: of all who serve that image.
  std::shared_ptr<DiskFaults> prepare(const std::string& path, Error loss,
                                      std::shared_ptr<LostWrites> lost_writes);

  /// Logs what is new.
  void flush() { write_lines(); }

  /// The image has this size now, and the guest's disk that one. One that is too short is an error.
  void check_size(uint64_t image_bytes, uint64_t disk_bytes);

  /// Why nothing can be written any more, and the remedy; empty where all is well.
  std::string failure() const { return faults_ ? faults_->failure() : std::string(); }

  /// Requests fail, or did not long ago.
  bool has_errors() const;

  /// Of what has_errors() says; empty where no request failed.
  std::string reason() const;

  /// Of a disk that was prepared.
  void add_to(DiskReport& report) const;

 private:
  /// An image that is shorter than the disk that its guest has.
  struct Shortage {
    uint64_t image_bytes;
    uint64_t disk_bytes;
  };

  bool write_lines();
  void news();
  void watch(const std::shared_ptr<DiskFaults>& faults);

  DeviceScope device_;
  std::string path_;
  std::shared_ptr<DiskFaults> faults_;  ///< of the last disk that was prepared, if any was
  bool watching_ = false;               ///< watch() will look at them
  std::optional<Shortage> shortage_;
};

}  // namespace tapring
