// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/vbd/administration.h"

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

/// A disk whose guest waits for room: "DOMAIN/xvdc".
inline DiskReport paused_disk(DomainId domain) {
  DiskReport report = connected_disk(domain);
  report.disk = std::to_string(domain) + "/xvdc";
  report.device = 51744;
  report.vdev = "xvdc";
  report.state = "paused";
  report.paused_for = "no space";
  report.paused_since = 1'000'000'000;
  report.reason = "3 request(s) wait; make room where the image is (df /srv/a.img)";
  report.on_no_space = "pause";
  report.on_io_error = "report";
  report.counters.held = 3;
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
class FakeReporter final : public Administration {
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

  void set_problems(std::vector<std::string> problems) {
    const std::scoped_lock lock(mutex_);
    problems_ = std::move(problems);
  }

  std::vector<std::string> problems() const override {
    const std::scoped_lock lock(mutex_);
    return problems_;
  }

  std::vector<DiskReport> report() const override {
    const std::scoped_lock lock(mutex_);
    for (DiskReport& disk : disks_) {
      disk.counters.reads += step_.reads;
      disk.counters.read_bytes += step_.read_bytes;
      disk.counters.read_ns += step_.read_ns;
      const bool moves = disk.state == "adopting" || disk.state == "releasing";
      if (!moves || looks_left_-- > 0) continue;
      disk.state = aim_;
      disk.reason = failure_;
    }
    return disks_;
  }

  std::string resume(const VbdName& disk) override {
    const std::scoped_lock lock(mutex_);
    DiskReport& report = *std::ranges::find(disks_, disk.device, &DiskReport::device);
    if (report.state != "paused") return "it is not paused";
    if (room_) report.state = "connected";
    report.counters.retries += report.counters.held;
    return {};
  }

  /// What is paused stays so.
  void have_no_room() { room_ = false; }

  /// To be "connected" or "kernel", or to fail with this reason, two looks later.
  std::string adopt(const VbdName& disk) override { return move(disk, "adopting", adopted_); }
  std::string release(const VbdName& disk) override { return move(disk, "releasing", "kernel"); }
  void fail_moves(std::string reason) { failure_ = std::move(reason); }
  /// Storage is full when a disk comes.
  void pause_what_is_adopted() { adopted_ = "paused"; }

  std::string set_policy(const VbdName& disk, const PolicyWords& words) override {
    const std::scoped_lock lock(mutex_);
    DiskReport& report = *std::ranges::find(disks_, disk.device, &DiskReport::device);
    if (words.contains("on_no_space")) report.on_no_space = words.at("on_no_space");
    return {};
  }

 private:
  std::string move(const VbdName& disk, const char* state, const char* aim) {
    const std::scoped_lock lock(mutex_);
    DiskReport& report = *std::ranges::find_if(disks_, [&disk](const DiskReport& one) {
      return one.domain == disk.domain && one.device == disk.device;
    });
    if (report.state == aim) return "it is there already";
    aim_ = failure_.empty() ? std::string(aim) : report.state;
    report.state = state;
    looks_left_ = 2;
    return {};
  }

  std::string aim_;
  const char* adopted_ = "connected";
  std::string failure_;
  bool room_ = true;
  mutable int looks_left_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<DiskReport> disks_;
  DiskCounters step_;
  std::vector<std::string> problems_;
};

}  // namespace tapring
