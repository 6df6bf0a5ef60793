// SPDX-License-Identifier: MIT
#include "daemon/cli/progress_bar.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <ostream>

namespace tapring {
namespace {

constexpr uint64_t kColumns = 40;

}  // namespace

void ProgressBar::show(uint64_t done, uint64_t all) {
  const double part = all == 0 ? 1 : static_cast<double>(done) / static_cast<double>(all);
  const auto percent = static_cast<uint64_t>(std::min(part, 1.0) * 100);
  if (out_ == nullptr || percent == shown_percent_) return;
  shown_percent_ = percent;
  const uint64_t columns = percent * kColumns / 100;
  fmt::print(*out_, "\r{} [{:#<{}}{:{}}] {:3} %", what_, "", columns, "", kColumns - columns,
             percent);
  out_->flush();
}

ProgressBar::~ProgressBar() {
  if (out_ == nullptr || shown_percent_ == UINT64_MAX) return;
  fmt::print(*out_, "\r\x1B[K");
  out_->flush();
}

}  // namespace tapring
