// SPDX-License-Identifier: MIT
#include "daemon/vbd/fault_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace tapring {
namespace {

/// How often faults of a kind that was logged before are logged.
constexpr std::chrono::seconds kFaultsLoggedEvery{60};

/// How long after its last fault a disk is shown as one that has errors.
constexpr std::chrono::minutes kFaultsShownFor{10};

/// As RFC 3339 has it, in UTC.
std::string to_text(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

}  // namespace

std::shared_ptr<DiskFaults> FaultLog::prepare(const std::string& path, Error loss,
                                              std::shared_ptr<LostWrites> lost_writes) {
  path_ = path;
  watching_ = false;
  shortage_.reset();
  faults_ = std::make_shared<DiskFaults>(path, device_.tasks.poster([this] { news(); }),
                                         std::move(lost_writes));
  if (loss) faults_->mark_data_lost("under an earlier tapringd", loss);
  return faults_;
}

void FaultLog::news() {
  if (write_lines() && !std::exchange(watching_, true)) watch(faults_);
}

/// Whether there was anything new.
bool FaultLog::write_lines() {
  const std::vector<DiskFaults::Line> lines = faults_->take_lines();
  for (const auto& [level, text] : lines) device_.log(level, "{}", text);
  return !lines.empty();
}

/// Again and again, for as long as there are more.
void FaultLog::watch(const std::shared_ptr<DiskFaults>& faults) {
  device_.tasks.after(kFaultsLoggedEvery, [this, faults] {
    if (faults_ != faults) return;
    watching_ = write_lines();
    if (watching_) watch(faults);
  });
}

void FaultLog::check_size(uint64_t image_bytes, uint64_t disk_bytes) {
  if (image_bytes >= disk_bytes) return shortage_.reset();
  const bool is_news = !shortage_ || shortage_->image_bytes != image_bytes;
  shortage_ = {image_bytes, disk_bytes};
  if (is_news) device_.log(spdlog::level::err, "{}", reason());
}

bool FaultLog::has_errors() const {
  if (shortage_) return true;
  if (!faults_) return false;
  const auto last = faults_->last();
  return last && std::chrono::system_clock::now() - last->time < kFaultsShownFor;
}

std::string FaultLog::reason() const {
  if (shortage_) {
    return fmt::format(
        "{0} is now {1} bytes, less than the guest's disk of {2}: I/O past its end "
        "fails; make it large again (truncate -s {2} {0})",
        path_, shortage_->image_bytes, shortage_->disk_bytes);
  }
  const auto last = faults_->last();
  if (!last) return {};
  const bool of_image = last->error == std::errc::bad_message;
  return fmt::format("{}, at {}; {}", describe(*last), to_text(last->time),
                     of_image ? "look at the image (tapring image check " + path_ + ")"
                              : "look at its storage (journalctl -k)");
}

void FaultLog::add_to(DiskReport& report) const {
  std::ranges::copy(faults_->warnings(), std::back_inserter(report.notices));
  const auto last = faults_->last();
  if (!last) return;
  report.last_error = {last->operation, last->offset, errno_name(last->error),
                       last->error.message(), to_text(last->time)};
}

}  // namespace tapring
