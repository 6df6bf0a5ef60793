// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/report.h"

namespace tapring {

/// A connected disk that has done some I/O: "DOMAIN/xvda".
inline DiskReport connected_disk(DomainId domain) {
  DiskReport report;
  report.disk = std::to_string(domain) + "/xvda";
  report.domain = domain;
  report.device = 51712;
  report.kind = "vbd";
  report.vdev = "xvda";
  report.mode = "w";
  report.format = "aio";
  report.path = "/srv/" + std::to_string(domain) + ".img";
  report.state = "connected";
  report.backend_state = 4;
  report.frontend_state = 4;
  report.size_bytes = uint64_t{10} << 30;
  report.queues = 2;
  report.ring_pages = 8;
  report.workers = {1, 3};
  report.protocol = "x86_64-abi";
  report.counters.reads = 100;
  report.counters.read_bytes = 409600;
  report.counters.read_ns = 5000000;
  return report;
}

/// A disk that was not attached: "DOMAIN/xvdb".
inline DiskReport refused_disk(DomainId domain) {
  DiskReport report;
  report.disk = std::to_string(domain) + "/xvdb";
  report.domain = domain;
  report.device = 51728;
  report.kind = "vbd3";
  report.vdev = "xvdb";
  report.path = "/srv/missing.img";
  report.state = "refused";
  report.reason = "No such file or directory; create it";
  report.backend_state = 6;
  return report;
}

/// Reports what it was told to; counts a fixed amount of I/O at each look.
class FakeReporter final : public Reporter {
 public:
  void set(std::vector<DiskReport> disks) {
    const std::scoped_lock lock(mutex_);
    disks_ = std::move(disks);
  }

  /// Every disk reads this much between two reports.
  void read_between_reports(uint64_t requests, uint64_t bytes, uint64_t ns) {
    const std::scoped_lock lock(mutex_);
    step_ = {.reads = requests, .read_bytes = bytes, .read_ns = ns};
  }

  std::vector<DiskReport> report() const override {
    const std::scoped_lock lock(mutex_);
    for (DiskReport& disk : disks_) {
      disk.counters.reads += step_.reads;
      disk.counters.read_bytes += step_.read_bytes;
      disk.counters.read_ns += step_.read_ns;
    }
    return disks_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::vector<DiskReport> disks_;
  DiskCounters step_;
};

}  // namespace tapring
