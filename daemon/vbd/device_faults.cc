// SPDX-License-Identifier: MIT
// A device whose requests fail: what is logged and reported of that.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "daemon/vbd/device.h"

namespace tapring {
namespace {

/// How often faults are logged of kinds that were logged before.
constexpr std::chrono::seconds kFaultsToldEvery{60};

/// For so long after the last one the disk is shown as one that has errors.
constexpr std::chrono::minutes kFaultsShownFor{10};

/// As RFC 3339 has it, in UTC.
std::string to_text(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

}  // namespace

/// For a disk that will be connected.
std::shared_ptr<DiskFaults> Device::make_faults() {
  watching_faults_ = false;
  cut_to_bytes_.reset();
  auto news = [weak = weak_from_this(), &control = context_.control] {
    control.post([weak] {
      if (const auto self = weak.lock()) self->hear_of_faults();
    });
  };
  faults_ = std::make_shared<DiskFaults>(disk_spec_.path, std::move(news));
  if (loss_) faults_->mark_data_lost("under an earlier tapringd", loss_);
  return faults_;
}

void Device::hear_of_faults() {
  if (tell_faults() && !std::exchange(watching_faults_, true)) watch_faults(faults_);
}

/// Whether there was anything new.
bool Device::tell_faults() {
  const std::vector<DiskFaults::Line> lines = faults_->take_lines();
  for (const auto& [level, text] : lines) log(level, "{}", text);
  return !lines.empty();
}

/// Again and again, for as long as there are more.
void Device::watch_faults(const std::shared_ptr<DiskFaults>& faults) {
  context_.timer.after(kFaultsToldEvery, [weak = weak_from_this(), faults] {
    const auto self = weak.lock();
    if (!self || self->faults_ != faults) return;
    self->watching_faults_ = self->tell_faults();
    if (self->watching_faults_) self->watch_faults(faults);
  });
}

/// Requests fail, or did not long ago.
bool Device::has_errors() const {
  if (cut_to_bytes_) return true;
  const auto last = faults_->last();
  return last && std::chrono::system_clock::now() - last->time < kFaultsShownFor;
}

/// Empty where no request failed.
std::string Device::errors_reason() const {
  const std::string& path = disk_spec_.path;
  if (cut_to_bytes_) {
    return fmt::format("{0} is now {1} bytes, less than the guest's disk of {2}: I/O past its end "
                       "fails; make it large again (truncate -s {2} {0})",
                       path, *cut_to_bytes_, geometry_.size_bytes);
  }
  const auto last = faults_->last();
  if (!last) return {};
  const bool of_image = last->error == std::errc::bad_message;
  return fmt::format("{}, at {}; {}", describe(*last), to_text(last->time),
                     of_image ? "look at the image (tapring image check " + path + ")"
                              : "look at its storage (journalctl -k)");
}

LastError Device::last_error() const {
  const auto last = faults_->last();
  if (!last) return {};
  return {last->operation, last->offset, errno_name(last->error), last->error.message(),
          to_text(last->time)};
}

}  // namespace tapring
