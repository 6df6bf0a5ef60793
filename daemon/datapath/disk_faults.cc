// SPDX-License-Identifier: MIT
#include "daemon/datapath/disk_faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <string_view>
#include <utility>

namespace tapring {
namespace {

std::string with_cause(const char* what, Error cause) {
  return cause ? fmt::format("{}: {}", what, cause.message()) : what;
}

}  // namespace

std::string describe(const RequestFault& fault) {
  return fmt::format("a {} at byte {} failed: {} ({})", fault.operation, fault.offset,
                     fault.error.message(), errno_name(fault.error));
}

DiskFaults::DiskFaults(std::string path, std::function<void()> news,
                       std::shared_ptr<LostWrites> lost_writes)
    : path_(std::move(path)), news_(std::move(news)), lost_writes_(std::move(lost_writes)) {
  lost_writes_->add(*this);
}

void DiskFaults::note(const RequestFault& fault) noexcept try {
  if (count(fault)) tell();
} catch (const std::bad_alloc&) {
}

/// Whether to call `news` now.
bool DiskFaults::count(const RequestFault& fault) {
  const std::lock_guard lock(mutex_);
  last_ = fault;
  auto kind = std::ranges::find_if(kinds_, [&fault](const Kind& known) {
    return std::string_view(known.last.operation) == fault.operation &&
           known.last.error == fault.error;
  });
  const bool is_new = kind == kinds_.end() && kinds_.size() < kMaxKinds;
  if (is_new) kinds_.push_back({fault, 0});
  if (kind == kinds_.end() || is_new) kind = std::prev(kinds_.end());
  ++kind->untold;
  kind->last = fault;
  return std::exchange(quiet_, false) || is_new;
}

void DiskFaults::writes_lost(const char* how, Error cause) noexcept try {
  fail(with_cause(how, cause) +
       "; every write and flush fails now: detach the disk, check its storage (journalctl -k) and "
       "its guest's file systems, and attach it again");
} catch (const std::bad_alloc&) {
}

void DiskFaults::corrupt(Error how) noexcept try {
  if (data_lost()) return;
  fail(fmt::format("{}; every write fails now: detach the disk, repair the image (tapring image "
                   "check --repair all {}), and attach it again",
                   how.message(), path_));
} catch (const std::bad_alloc&) {
}

void DiskFaults::fail(std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    lines_.push_back({LogLevel::err, reason});
    failure_ = std::move(reason);
  }
  tell();
}

void DiskFaults::warn(const char* what, Error cause) noexcept try {
  std::string text = with_cause(what, cause);
  {
    const std::lock_guard lock(mutex_);
    const bool is_known = std::ranges::find(warnings_, text) != warnings_.end();
    if (is_known || warnings_.size() == kMaxWarnings) return;
    warnings_.push_back(text);
    lines_.push_back({LogLevel::warn, std::move(text)});
  }
  tell();
} catch (const std::bad_alloc&) {
}

void DiskFaults::tell() const {
  if (news_) news_();
}

std::string DiskFaults::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::vector<std::string> DiskFaults::warnings() const {
  const std::lock_guard lock(mutex_);
  return warnings_;
}

std::optional<RequestFault> DiskFaults::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

std::vector<DiskFaults::Line> DiskFaults::take_lines() {
  const std::lock_guard lock(mutex_);
  std::vector<Line> lines = std::exchange(lines_, {});
  for (Kind& kind : kinds_) {
    const uint64_t untold = std::exchange(kind.untold, 0);
    if (untold == 0) continue;
    std::string text = describe(kind.last);
    if (untold > 1) text += fmt::format(" (and {} more like it)", untold - 1);
    lines.push_back({LogLevel::err, std::move(text)});
  }
  quiet_ = lines.empty();
  return lines;
}

}  // namespace tapring
