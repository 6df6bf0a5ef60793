// SPDX-License-Identifier: MIT
#include "daemon/vbd/storage_pause.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

#include "formats/printable.h"

namespace tapring {
namespace {

constexpr std::chrono::seconds kHeldLookedAt{1};

}  // namespace

StoragePause::StoragePause(const DeviceScope& device)
    : device_(device), policy_(device.context.errors) {}

void StoragePause::refresh_policy() {
  if (policy_wrote_) read_policy();
}

void StoragePause::read_policy() {
  const PolicyWords words = device_.node.read_policy();
  policy_wrote_ = false;  // only now: if xenstore is lost over it, the policy is read again
  policy_ = device_.context.errors;
  for (const auto& [field, word] : words) {
    if (assign(policy_, field, word)) continue;
    device_.log(spdlog::level::warn, "its policy in xenstore, {} = {}: must be {}; taken as {}",
                field, escaped(word), expected_of(field), kDefaultWord);
  }
  if (counts_) counts_->set_policy(policy_);
  if (disk_) disk_->check_held();
}

std::string StoragePause::set_policy(const PolicyWords& words) {
  if (!device_.node.write_policy(words)) return "it is gone";
  read_policy();
  device_.log(spdlog::level::info, "policy: on_no_space {}, on_io_error {}, pause_limit_seconds {}",
              name_of(policy_.on_no_space), name_of(policy_.on_io_error),
              policy_.pause_limit_seconds);
  return {};
}

std::shared_ptr<DiskPause> StoragePause::prepare(const std::string& path, bool block_device) {
  path_ = path;
  block_device_ = block_device;
  pause_logged_ = false;
  read_policy();
  counts_ = std::make_shared<DiskPause>(policy_, device_.tasks.poster([this] { paused(); }));
  return counts_;
}

void StoragePause::begin(std::shared_ptr<MultiQueueDisk> disk) {
  disk_ = std::move(disk);
}

void StoragePause::end() {
  if (!disk_) return;
  if (counts_->held() == 0) log_end_of_pause();
  disk_.reset();
}

std::string StoragePause::resume() {
  if (!is_paused()) return "it is not paused";
  disk_->retry_held();
  return {};
}

void StoragePause::paused() {
  if (pause_logged_ || !is_paused()) return;
  pause_logged_ = true;
  given_up_before_ = counts_->given_up();
  paused_since_ = std::chrono::system_clock::now();
  device_.log(spdlog::level::err, "paused: {}: {}", faults(), reason());
  watch_held(counts_);
}

/// Again and again, for as long as `counts` are those of the connected disk and it holds anything.
void StoragePause::watch_held(const std::shared_ptr<DiskPause>& counts) {
  device_.tasks.after(kHeldLookedAt, [this, counts] {
    if (counts_ != counts || !disk_) return;
    if (counts->held() > 0) {
      disk_->check_held();
      return watch_held(counts);
    }
    log_end_of_pause();
  });
}

/// Ends the pause that was logged, if one was. It does not look whether anything is held by now: a
/// request that a worker has held since then begins another pause, whose paused() is on its way
/// and must find this one ended.
void StoragePause::log_end_of_pause() {
  if (!std::exchange(pause_logged_, false)) return;
  device_.log(spdlog::level::info, "goes on; {} request(s) waited as long as they may, and failed",
              counts_->given_up() - given_up_before_);
}

std::string StoragePause::faults() const {
  std::vector<const char*> names;
  for (const StorageFault fault : {StorageFault::no_space, StorageFault::io_error}) {
    if (counts_->held(fault) > 0) names.push_back(fault_name(fault));
  }
  return fmt::format("{}", fmt::join(names, " and "));
}

std::string StoragePause::reason() const {
  std::string remedy;
  if (counts_->held(StorageFault::no_space) == 0) {
    remedy = fmt::format(
        "repair the storage (journalctl -k), or have the guest told "
        "(tapring policy {} --on-io-error report)",
        device_.log.label());
  } else if (block_device_) {
    remedy =
        fmt::format("make room in what {0} lies on (lsblk -s {0}; lvs shows thin pools)", path_);
  } else {
    remedy = fmt::format("make room where the image is (df {})", path_);
  }
  return fmt::format("{} request(s) wait; {}", counts_->held(), remedy);
}

void StoragePause::add_to(DiskReport& report) const {
  report.on_no_space = name_of(policy_.on_no_space);
  report.on_io_error = name_of(policy_.on_io_error);
  report.pause_limit_seconds = policy_.pause_limit_seconds;
  if (!is_paused()) return;
  report.paused_for = faults();
  report.paused_since = std::chrono::system_clock::to_time_t(paused_since_);
}

void StoragePause::count(DiskCounters& counters) const {
  counters.held = counts_->held();
  counters.pauses = counts_->pauses();
  counters.retries = counts_->retries();
  counters.given_up = counts_->given_up();
}

}  // namespace tapring
